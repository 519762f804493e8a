//! `cargo xtask bench --only redis-hosts`: two hosts over one Redis and one catalog, beside one of them.

use std::thread;

use super::Bench;
use super::load::{Load, Measured};
use super::postgres::Postgres;
use super::redis::Redis;
use super::report::{Goal, Line, Unit};
use super::server::Server;
use crate::failure::Failure;

/// Connections in all.
const CONNECTIONS: usize = 64;
/// Claims use messages up: so many are there for each second.
const CLAIMED: u64 = 60_000;
/// Within so many milliseconds whoever waits on one host is woken by a post to another.
const WOKEN: f64 = 200.0;

/// Rates of two hosts beside one's, and how soon one wakes who waits on the other.
pub fn measure(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    let (redis, postgres) = (Redis::start(&bench.folder)?, Postgres::start(&bench.folder)?);
    let setup = redis.setup("hosts").catalog(postgres.uri());
    let one = Server::host(&bench.folder.join("host"), &setup)?;
    let other = Server::host(&bench.folder.join("other"), &setup)?;
    let fill = CLAIMED * bench.seconds;
    for (what, load) in
        [("post 1 KiB", bench.timed("post")), ("claim 10 + delete", bench.timed("claim").with("fill", fill))]
    {
        let (mut alone, mut both) = (0.0_f64, 0.0_f64);
        for _ in 0..bench.turns {
            alone = alone.max(load.clone().with("connections", CONNECTIONS).run(&one)?.rate);
            both = both.max(together(&load, [&one, &other])?);
        }
        tell(Line {
            what: format!("two hosts against one over redis, {what}, 64"),
            made_of: vec![("one/s", alone), ("two/s", both)],
            figure: both / alone,
            unit: Unit::Times,
            goal: Goal::Stated,
            note: "",
        });
    }
    for (work, what) in [("wait", ""), ("wait-anew", " for a queue that is made only then")] {
        // In queues of its own: the others hold what was posted above.
        let wait = bench.timed(work).with("connections", 1).with("prefix", "wait");
        let wait = wait.with("receive-at", format!("http://{}", other.address));
        tell(woken(what, wait.run(&one)?));
    }
    Ok(())
}

/// The rate of two hosts at the same time, each with half of the connections and half of what is there before.
fn together(load: &Load, hosts: [&Server; 2]) -> Result<f64, Failure> {
    let rates = thread::scope(|scope| {
        let load = load.clone().with("connections", CONNECTIONS / 2);
        let runs = ["a", "b"].map(|prefix| load.clone().with("prefix", prefix));
        let runs: Vec<_> =
            runs.into_iter().zip(hosts).map(|(load, host)| scope.spawn(move || load.run(host))).collect();
        let broke = || Failure::Found("a load generator broke".to_owned());
        runs.into_iter().map(|run| run.join().unwrap_or_else(|_| Err(broke()))).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(rates.iter().map(|measured| measured.rate).sum())
}

fn woken(what: &str, measured: Measured) -> Line {
    Line {
        what: format!("longest from a post to a long poll at another host{what}, redis"),
        made_of: vec![("p50", measured.p50), ("p99", measured.p99), ("max", measured.max)],
        figure: measured.max,
        unit: Unit::Millis,
        goal: Goal::AtMost(WOKEN),
        note: "",
    }
}
