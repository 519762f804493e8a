//! What no input may do to the host, whatever its bytes: end it, panic, be answered with 500, stay
//! without an answer, or come back as something else than it was.
//!
//! A [`Target`] sends one input to a host within this process, whole but for the command line: the
//! listeners of both transports, the engine, and the memory plugin. `fuzz_targets` hands the targets
//! to cargo-fuzz; `tests/bounded.rs` runs them for everybody, on the corpus and on mutations of it;
//! [`replay`] tries single files.
//!
//! A finding is a panic of the target. That is what libFuzzer looks for, and tests alike.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// An input that is not answered as it must be ends the run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answer;
mod encoding;
mod exchange;
mod frame;
mod host;
mod message;
pub mod mutate;
mod request;
mod service;
mod steps;
mod twin;

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use encoding::ENCODINGS;
pub use frame::WEBSOCKET_FRAME;
pub use host::Host;
pub use message::MESSAGE_BODY;
pub use request::REST_REQUEST;

/// What is done with an input.
pub struct Target {
    /// As the file in `fuzz_targets` and the folder in `corpus` are called.
    pub name: &'static str,
    /// Words that are worth trying in this target's inputs.
    pub words: &'static [&'static str],
    /// Sends it, and panics where the answer is not one that may be.
    pub send: fn(&mut Host, &[u8]),
}

/// All targets.
pub static TARGETS: [&Target; 4] = [&ENCODINGS, &MESSAGE_BODY, &REST_REQUEST, &WEBSOCKET_FRAME];

impl Target {
    /// Inputs that are kept: what clients send, and what was found once.
    pub fn corpus(&self) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        let entries = std::fs::read_dir(folder).expect("each target has a corpus");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a corpus can be read").path()).collect();
        files.sort();
        files
    }
}

/// Tries one input, on this thread's host.
///
/// # Panics
/// It is a finding.
pub fn try_one(target: &Target, input: &[u8]) {
    thread_local!(static HOST: RefCell<Option<Host>> = const { RefCell::new(None) });
    HOST.with_borrow_mut(|host| {
        // What inputs have made gathers in the stores: now and then one starts anew.
        if host.as_ref().is_none_or(Host::is_old) {
            *host = Some(Host::start());
        }
        if let Some(host) = host {
            (target.send)(host, input);
        }
    });
}

/// Tries files, one after the other.
///
/// # Panics
/// One of them is a finding.
pub fn replay(target: &Target, files: impl Iterator<Item = OsString>) -> ExitCode {
    let mut n_files = 0;
    for file in files {
        let input = match std::fs::read(&file) {
            Ok(input) => input,
            Err(error) => {
                eprintln!("{} cannot be read: {error}", file.display());
                return ExitCode::FAILURE;
            }
        };
        println!("{}", file.display());
        try_one(target, &input);
        n_files += 1;
    }
    println!("{n_files} input(s) tried, none is a finding");
    ExitCode::SUCCESS
}
