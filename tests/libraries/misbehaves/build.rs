//! The memory plugin, to be wrapped.

#[path = "../derive.rs"]
mod derive;

fn main() {
    derive::plugin("memory");
}
