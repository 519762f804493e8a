//! `crash kill|power ROUNDS [SEED]`: the crash checker as a command; `cargo xtask crash` builds and runs it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use sukkal_tests::Host;
use sukkal_tests::crash::{self, End};
use sukkal_tests::disk::Disk;

#[tokio::main]
async fn main() -> ExitCode {
    let Some((end, rounds, seed)) = arguments() else {
        eprintln!("usage: crash kill|power ROUNDS [SEED]");
        return ExitCode::FAILURE;
    };
    if end == End::PowerCut && !Disk::is_possible() {
        eprintln!("a disk whose power can be cut takes root and a loop device");
        return ExitCode::FAILURE;
    }
    println!("seed {seed}");
    let summary = crash::run(Host::with(), end, rounds, seed).await;
    println!("{summary}");
    if summary.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Option<(End, u32, u64)> {
    let mut arguments = std::env::args().skip(1);
    let end = match arguments.next()?.as_str() {
        "kill" => End::Kill,
        "power" => End::PowerCut,
        _ => return None,
    };
    let rounds = arguments.next()?.parse().ok()?;
    let seed = arguments.next().map_or(Ok(rand::random()), |seed| seed.parse()).ok()?;
    arguments.next().is_none().then_some((end, rounds, seed))
}
