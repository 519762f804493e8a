//! The ways in: each decodes requests for the engine and encodes its answers.

pub mod rest;
