//! The chaos run: several hosts over one catalog and one pool under load, while hosts are killed and frozen,
//! connections are cut, queues deleted and made anew, stores killed, frozen and failed over, slots moved. What
//! everybody was told in the meantime is held against the promises: see [`crate::checker`].

mod catalog;
mod deletion;
mod events;
mod faults;
mod hosts;
mod pool;
mod stores;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use self::catalog::CatalogKind;
use self::events::Events;
use self::faults::Nemesis;
use self::hosts::Hosts;
pub use self::pool::PoolKind;
pub use self::stores::Stores;
use crate::checker::ledger::{Counts, Ledger};
use crate::checker::workers::{self, Team};
use crate::checker::{LIMITS, SHOWN, audit, lock};
use crate::host::Setup;

/// One reader, four producers and four consumers each. The first of them is deleted and made anew.
const QUEUES: [&str; 4] = ["reborn", "orders", "mails", "pictures"];
/// The shortest life that a claim can have, in seconds.
const CLAIM_TTL: u64 = 60;
/// How long requests may take to be answered once all is mended.
const LAST_ANSWERS: Duration = Duration::from_secs(120);
/// When the last claim has surely run out after everybody has stopped, with what hosts still had under way.
const RUN_OUT: Duration = Duration::from_secs(CLAIM_TTL + 30);

/// What a run did and found.
#[derive(Debug, Default)]
pub struct Summary {
    /// The choices of the run; when what happens depends on the machine as well.
    pub seed: u64,
    /// Broken promises. None is the only good number.
    pub violations: Vec<String>,
    /// Why nobody can say whether all promises were kept, where that is so.
    pub undecided: Option<String>,
    /// What was done to hosts and stores, and when.
    pub events: Vec<String>,
    counts: Vec<(String, Counts, u32)>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} event(s)", self.seed, self.events.len())?;
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        for (queue, counts, unsure) in &self.counts {
            writeln!(
                f,
                "{queue}: {} message(s) stored, {} perhaps, {} deleted, {} claim(s), {} release(s), {unsure} request(s) \
                 without an answer",
                counts.acknowledged, counts.unanswered, counts.deleted, counts.claims, counts.releases
            )?;
        }
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(f, "BROKEN: {violation}")?;
        }
        if let Some(why) = &self.undecided {
            writeln!(f, "UNDECIDED: {why}")?;
        }
        write!(f, "{} broken promise(s)", self.violations.len())
    }
}

/// Runs hosts over stores for so long, with faults. Everything random follows from the seed. A run that sees
/// claims run out ends when all of them have.
pub async fn run(mut stores: Stores, n_hosts: usize, load: Duration, seed: u64) -> Summary {
    let (setup, bears) = (stores.setup(), stores.pool.bears());
    let mut run = Run::begin(setup, n_hosts, bears, seed).await;
    let mut nemesis = Nemesis::new(&mut run.hosts, &mut stores, run.ledgers[0].clone(), run.chance.random());
    nemesis.inflict(load).await;
    let events = nemesis.events();
    let claims_run_out = load > Duration::from_secs(CLAIM_TTL);
    run.end(events, claims_run_out).await
}

/// Runs one host without any fault: what is broken then is the host's or its store's alone.
pub async fn undisturbed(setup: Setup, load: Duration, seed: u64) -> Summary {
    let run = Run::begin(setup, 1, (4, 4, Duration::from_millis(40)), seed).await;
    tokio::time::sleep(load).await;
    run.end(Events::default(), false).await
}

struct Run {
    hosts: Hosts,
    ledgers: Vec<Arc<Mutex<Ledger>>>,
    running: Vec<JoinSet<()>>,
    ends: Arc<AtomicBool>,
    chance: StdRng,
    seed: u64,
}

impl Run {
    async fn begin(setup: Setup, n_hosts: usize, bears: (u64, u64, Duration), seed: u64) -> Run {
        let hosts = Hosts::start(setup.section(LIMITS), n_hosts).await;
        let ends = Arc::new(AtomicBool::new(false));
        let mut chance = StdRng::seed_from_u64(seed);
        let (mut ledgers, mut running) = (Vec::new(), Vec::new());
        for queue in QUEUES {
            let mut ledger = Ledger::of(queue, None);
            ledger.reader();
            let ledger = Arc::new(Mutex::new(ledger));
            running.push(team(&ends, bears).start(hosts.reach(), &ledger, chance.random()));
            ledgers.push(ledger);
        }
        Run { hosts, ledgers, running, ends, chance, seed }
    }

    /// Lets everybody finish, and audits what is there, by each host in turn.
    async fn end(mut self, events: Events, claims_run_out: bool) -> Summary {
        self.hosts.all_serve(QUEUES[0]).await;
        self.ends.store(true, Ordering::Relaxed);
        let mut summary = Summary { seed: self.seed, events: events.told(), ..Summary::default() };
        let running = std::mem::take(&mut self.running);
        let all_end = async {
            for running in running {
                workers::join(running).await;
            }
        };
        if timeout(LAST_ANSWERS, all_end).await.is_err() {
            let late = LAST_ANSWERS.as_secs();
            summary.undecided = Some(format!(
                "some requests were never answered in {late} s, though all was mended: the stores are too slow for this load"
            ));
            return self.summed_up(summary);
        }
        for (turn, ledger) in self.ledgers.iter().enumerate() {
            let found = audit::audit(&self.hosts.client(turn), ledger).await;
            let mut ledger = lock(ledger);
            found.into_iter().for_each(|what| ledger.broken(what));
        }
        for (turn, ledger) in self.ledgers.iter().enumerate().filter(|_| claims_run_out) {
            let held = audit::still_held(&self.hosts.client(turn), ledger, RUN_OUT).await;
            let what = |number| format!("message {number} is not free, though every claim has run out");
            held.into_iter().for_each(|number| lock(ledger).broken(what(number)));
        }
        self.summed_up(summary)
    }

    fn summed_up(&self, mut summary: Summary) -> Summary {
        for ledger in &self.ledgers {
            let mut ledger = lock(ledger);
            summary.violations.append(&mut ledger.violations);
            summary.counts.push((ledger.queue.clone(), ledger.counts(), ledger.unsure));
        }
        if !summary.violations.is_empty() || summary.undecided.is_some() {
            self.hosts.show_logs();
        }
        summary
    }
}

fn team(ends: &Arc<AtomicBool>, (producers, consumers, pause): (u64, u64, Duration)) -> Team {
    Team {
        producers,
        consumers,
        claim_ttl: CLAIM_TTL,
        patience: Duration::from_secs(4),
        pause,
        ends: Some(ends.clone()),
    }
}
