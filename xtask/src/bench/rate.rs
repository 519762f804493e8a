//! Rates beside the ceiling's, and latencies at half of the highest rate.

use super::Bench;
use super::load::{Load, Measured};
use super::report::{Goal, Line, Unit};
use super::server::{Server, Setup};
use crate::failure::Failure;

/// Claims use messages up: so many are there for each second. More claims would be a surprise, and
/// said so.
const SQLITE_CLAIMED: u64 = 120_000;
const MEMORY_CLAIMED: u64 = 300_000;
/// Seconds of claims from memory, which holds all of the messages at once.
const MEMORY_SECONDS: u64 = 2;
/// Latencies are those of the steadiest of so many seconds, for each turn: what else the machine does holds
/// everybody up now and then.
const STEADY: u32 = 5;

/// POST over 1, 16 and 64 connections.
pub fn post_sqlite(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    for (connections, goal) in [(1, 0.20), (16, 0.25), (64, 0.45)] {
        let load = bench.timed("post").with("connections", connections);
        tell(beside_ceiling(
            bench,
            &format!("post 1 KiB, sqlite, {connections}"),
            &Setup::sqlite(),
            &load,
            Goal::AtLeast(goal),
        )?);
    }
    Ok(())
}

/// POST to memory, through the two filters that come with Sukkal.
pub fn post_memory(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    let setup = Setup::memory().pipeline(&["audit", "rate-limit"], "post = { per_second = 1000000000 }");
    let load = bench.timed("post").with("connections", 64);
    tell(beside_ceiling(bench, "post 1 KiB, memory, two interested filters, 64", &setup, &load, Goal::AtLeast(0.65))?);
    Ok(())
}

/// A claim of ten and their deletion.
pub fn claim_sqlite(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    for connections in [16, 64] {
        let load = bench.timed("claim").with("connections", connections).with("fill", SQLITE_CLAIMED * bench.seconds);
        tell(beside_ceiling(
            bench,
            &format!("claim 10 + delete, sqlite, {connections}"),
            &Setup::sqlite(),
            &load,
            Goal::AtLeast(0.16),
        )?);
    }
    Ok(())
}

/// The same from memory.
pub fn claim_memory(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    let load = bench.timed("claim").with("connections", 64).with("seconds", MEMORY_SECONDS);
    let load = load.with("fill", MEMORY_CLAIMED * (MEMORY_SECONDS + 1));
    tell(beside_ceiling(bench, "claim 10 + delete, memory, 64", &Setup::memory(), &load, Goal::AtLeast(0.36))?);
    Ok(())
}

/// Host and ceiling in turns, so that each mood of the machine falls on both.
pub fn beside_ceiling(bench: &Bench, what: &str, setup: &Setup, load: &Load, goal: Goal) -> Result<Line, Failure> {
    let (mut ceiling, mut host) = (Measured::default(), Measured::default());
    // A server that answers everything with a constant is posted to, whatever the host does.
    let constant = load.clone().doing("post").with("fill", 0);
    for _ in 0..bench.turns {
        ceiling = ceiling.better(constant.run(&Server::ceiling(&bench.folder)?)?);
        host = host.better(load.run(&Server::host(&bench.folder.join("host"), setup)?)?);
    }
    Ok(Line {
        what: what.to_owned(),
        made_of: vec![("ceiling/s", ceiling.rate), ("host/s", host.rate), ("p50", host.p50), ("p99", host.p99)],
        figure: host.rate / ceiling.rate,
        unit: Unit::Share,
        goal,
        note: if host.drained { "the queues ran empty" } else { "" },
    })
}

/// A filter that is in the pipeline and wants nothing of a post. What counts as no cost is what two
/// equal hosts differ by.
pub fn idle_filter(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    let load = bench.timed("post").with("connections", 64);
    let filtered = Setup::memory().pipeline(&["rate-limit"], "manage = { per_second = 1000000000 }");
    let (mut without, mut with) = (Measured::default(), Measured::default());
    for _ in 0..bench.turns {
        without = without.better(load.run(&Server::host(&bench.folder.join("without"), &Setup::memory())?)?);
        with = with.better(load.run(&Server::host(&bench.folder.join("with"), &filtered)?)?);
    }
    tell(Line {
        what: "post 1 KiB, memory, with a filter not interested, 64".to_owned(),
        made_of: vec![("without/s", without.rate), ("with/s", with.rate)],
        figure: with.rate / without.rate,
        unit: Unit::Share,
        goal: Goal::AtLeast(0.97),
        note: "",
    });
    Ok(())
}

/// Latencies of posts to SQLite.
pub fn latency_sqlite(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    at_half(bench, "sqlite", &Setup::sqlite(), tell)
}

/// Latencies of posts to memory.
pub fn latency_memory(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    at_half(bench, "memory", &Setup::memory(), tell)
}

/// The highest rate, then the latencies at half of it, each counted from when the post was due. The ceiling
/// answers the same rate: by how much its latencies spread tells what the machine adds.
fn at_half(bench: &Bench, store: &str, setup: &Setup, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    let load = Load::new("post").with("connections", 64).with("seconds", 1);
    let full = load.run(&Server::host(&bench.folder.join("host"), setup)?)?;
    let at_half = load.with("rate", (full.rate / 2.0).round().max(1.0));
    let (mut host, mut ceiling) = (Vec::new(), Vec::new());
    for _ in 0..STEADY * bench.turns {
        host.push(at_half.run(&Server::host(&bench.folder.join("host"), setup)?)?);
        ceiling.push(at_half.run(&Server::ceiling(&bench.folder)?)?);
    }
    let spread = |turn: &Measured| turn.p99 / turn.p50;
    let steadiest = |turns: Vec<Measured>| turns.into_iter().min_by(|one, other| spread(one).total_cmp(&spread(other)));
    let (Some(host), Some(ceiling)) = (steadiest(host), steadiest(ceiling)) else { return Ok(()) };
    tell(Line {
        what: format!("p99 over p50, post 1 KiB, {store}, 64, half of the highest rate"),
        made_of: vec![
            ("highest/s", full.rate),
            ("half/s", host.rate),
            ("p50", host.p50),
            ("p99", host.p99),
            ("ceiling p50", ceiling.p50),
            ("ceiling p99", ceiling.p99),
        ],
        figure: spread(&host),
        unit: Unit::Times,
        goal: Goal::AtMost(5.0),
        note: if host.never_begun > 0 { "it did not keep up" } else { "" },
    });
    Ok(())
}
