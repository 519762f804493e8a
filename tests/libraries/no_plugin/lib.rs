//! A shared library without what makes it a plugin.
#![forbid(unsafe_code)]
