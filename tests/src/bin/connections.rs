//! `connections SOCKETS POLLS`: what so many idle websockets and long polls hold of the machine, and
//! leave behind, as JSON; `cargo xtask bench --only connections` builds and runs it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use serde_json::json;
use sukkal_tests::Host;
use sukkal_tests::connections::{polls, sockets};

/// How long polls wait, in seconds, and how many messages come meanwhile.
const WAIT: u64 = 15;
const MESSAGES: usize = 100;

#[tokio::main]
async fn main() -> ExitCode {
    let mut counts = std::env::args().skip(1).map(|count| count.parse::<usize>());
    let (Some(Ok(n_sockets @ 2..)), Some(Ok(n_polls)), None) = (counts.next(), counts.next(), counts.next()) else {
        eprintln!("usage: connections SOCKETS POLLS");
        return ExitCode::FAILURE;
    };
    let sockets = sockets(&Host::start().await, n_sockets).await;
    // Another host: what is free in one that held more would be used again.
    let polls = polls(&Host::start().await, n_polls, WAIT, MESSAGES.min(n_polls)).await;
    let (before, after) = (sockets.closed, sockets.closed_again);
    let figures = json!({
        "bytes_a_socket": sockets.bytes_each,
        "bytes_left": after.bytes.saturating_sub(before.bytes),
        "open_files": [before.open_files, after.open_files],
        "tasks": [before.tasks, after.tasks],
        "threads": [before.threads, after.threads],
        "bytes_a_poll": polls.bytes_each,
        "polls_with_a_message": polls.answers.iter().filter(|poll| !poll.bodies.is_empty()).count(),
        "looks": polls.n_looks,
    });
    println!("{figures}");
    ExitCode::SUCCESS
}
