//! `crash ROUNDS [SEED]`: the crash checker as a command; `cargo xtask crash` builds and runs it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (rounds, seed) = match (arguments.next(), arguments.next()) {
        (Some(Ok(rounds)), None) => (rounds, rand::random()),
        (Some(Ok(rounds)), Some(Ok(seed))) => (rounds, seed),
        _ => {
            eprintln!("usage: crash ROUNDS [SEED]");
            return ExitCode::FAILURE;
        }
    };
    println!("seed {seed}");
    let summary = sukkal_tests::crash::run(u32::try_from(rounds).unwrap_or(u32::MAX), seed).await;
    println!("{summary}");
    if summary.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
