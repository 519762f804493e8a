//! See the build script.
// What was taken out leaves helpers without callers.
#![allow(unused_imports, dead_code)]

include!(concat!(env!("OUT_DIR"), "/sdk/lib.rs"));
