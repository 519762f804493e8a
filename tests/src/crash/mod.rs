//! The crash checker: a host under load is killed with SIGKILL, or its machine loses its power; it is
//! started again, and what it had acknowledged is compared with what is there: see [`crate::checker`].

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::checker::ledger::{Counts, Ledger, Rule};
use crate::checker::workers::{self, Reach, Team};
use crate::checker::{LIMITS, SHOWN, audit, lock};
use crate::disk::Disk;
use crate::host::Setup;

/// A round's load lasts from the first to the second, in milliseconds.
const LOAD_MS: (u64, u64) = (100, 1200);
/// The queue that everybody works on.
const QUEUE: &str = "crash";
/// Where that goes which was claimed too often.
const DEAD: &str = "crash-dead";
/// So many claims a message may have.
const MAX_CLAIMS: u32 = 2;
/// Each stops when the host no longer answers. A claim ends by its release alone: its life is longer than
/// any run.
const TEAM: Team = Team {
    producers: 3,
    consumers: 3,
    claim_ttl: 7200,
    patience: Duration::from_secs(10),
    pause: Duration::ZERO,
    ends: None,
};

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The host is killed: the kernel keeps what it was given.
    Kill,
    /// The machine loses its power: the disk keeps what was synced. See [`Disk::is_possible`].
    PowerCut,
}

/// What a run did and found.
#[derive(Debug)]
pub struct Summary {
    /// The choices of the run; the moments of the kills depend on the machine as well.
    pub seed: u64,
    /// How often the host was ended.
    pub rounds: u32,
    /// Broken promises. None is the only good number.
    pub violations: Vec<String>,
    counts: Counts,
    slowest_start: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(f, "seed {}, {} end(s), slowest start {:?}", self.seed, self.rounds, self.slowest_start)?;
        writeln!(
            f,
            "{} message(s) acknowledged, {} in unanswered posts, {} deleted, {} claim(s), {} release(s), \
             {} dead letter(s)",
            counts.acknowledged, counts.unanswered, counts.deleted, counts.claims, counts.releases, counts.dead_letters
        )?;
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(f, "BROKEN: {violation}")?;
        }
        write!(f, "{} broken promise(s)", self.violations.len())
    }
}

/// Ends a host so many times. Everything random follows from the seed.
pub async fn run(setup: Setup, end: End, rounds: u32, seed: u64) -> Summary {
    let mut host = setup.section(LIMITS).prepare();
    let mut disk = (end == End::PowerCut).then(|| Disk::mount(&host.folder().join("data")));
    host.start_again().await;
    let rule = json!({ "_max_claim_count": MAX_CLAIMS, "_dead_letter_queue": DEAD });
    host.client().put(&format!("/v2/queues/{QUEUE}"), rule).await.expect(201);
    let mut chance = StdRng::seed_from_u64(seed);
    let mut ledger = Ledger::of(QUEUE, Some(Rule { max_claims: MAX_CLAIMS, dead: DEAD.to_owned() }));
    ledger.reader();
    let ledger = Arc::new(Mutex::new(ledger));
    let mut slowest_start = Duration::ZERO;
    let mut done = 0;
    for round in 0..rounds {
        let team = TEAM.start(&Reach::of([host.client()]), &ledger, chance.random());
        tokio::time::sleep(Duration::from_millis(chance.random_range(LOAD_MS.0..LOAD_MS.1))).await;
        host.kill();
        if let Some(disk) = &mut disk {
            disk.cut();
        }
        workers::join(team).await;
        let begun = Instant::now();
        host.start_again().await;
        slowest_start = slowest_start.max(begun.elapsed());
        done += 1;
        let found = audit::audit(&host.client(), &ledger).await;
        let mut ledger = lock(&ledger);
        found.into_iter().for_each(|what| ledger.broken(format!("round {round}: {what}")));
        if !ledger.violations.is_empty() {
            break;
        }
    }
    audit::settled(&host.client(), &ledger).await;
    let ledger = lock(&ledger);
    Summary { seed, rounds: done, violations: ledger.violations.clone(), counts: ledger.counts(), slowest_start }
}
