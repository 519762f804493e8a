//! SDK 1.0: without what came later.

#[path = "../../derive.rs"]
mod derive;

fn main() {
    derive::sdk(&[("abi/pool.rs", "usage(;) -> Usage;", "")]);
}
