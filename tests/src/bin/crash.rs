//! `crash kill|power STORE ROUNDS [SEED]`: the crash checker as a command; `cargo xtask crash` builds and runs it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use sukkal_tests::crash::{self, End};
use sukkal_tests::disk::Disk;
use sukkal_tests::stores::{STORES, Store};

#[tokio::main]
async fn main() -> ExitCode {
    let Some((end, store, rounds, seed)) = arguments() else {
        eprintln!("usage: crash kill|power STORE ROUNDS [SEED]; a power cut is for sqlite, whose files are here");
        return ExitCode::FAILURE;
    };
    if end == End::PowerCut && !Disk::is_possible() {
        eprintln!("a disk whose power can be cut takes root and a loop device");
        return ExitCode::FAILURE;
    }
    println!("seed {seed}");
    let summary = crash::run(store.host(), end, rounds, seed).await;
    println!("{summary}");
    if summary.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Option<(End, Store, u32, u64)> {
    let mut arguments = std::env::args().skip(1);
    let end = match arguments.next()?.as_str() {
        "kill" => End::Kill,
        "power" => End::PowerCut,
        _ => return None,
    };
    let store = arguments.next()?;
    let store = STORES.into_iter().find(|known| known.scheme == store && known.reopens)?;
    let rounds = arguments.next()?.parse().ok()?;
    let seed = arguments.next().map_or(Ok(rand::random()), |seed| seed.parse()).ok()?;
    let sound = arguments.next().is_none() && (end == End::Kill || store.scheme == "sqlite");
    sound.then_some((end, store, rounds, seed))
}
