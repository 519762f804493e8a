//! The SQLite plugin, to be wrapped.

#[path = "../derive.rs"]
mod derive;

fn main() {
    derive::plugin("sqlite");
}
