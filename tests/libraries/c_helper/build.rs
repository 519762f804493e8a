//! The C library.

fn main() {
    println!("cargo::rerun-if-changed=../helper.c");
    cc::Build::new().file("../helper.c").compile("ask_helper");
}
