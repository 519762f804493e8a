//! The program `sukkal`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    sukkal::cli::run()
}
