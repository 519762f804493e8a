//! Promise 6: what an operation costs does not grow with the queue, nor with the number of queues.
//!
//! No duration is right for every store and machine, so none is asked for. Each operation is timed
//! in a deep queue and, in turn with it, in one with a sixteenth of the messages; the best of many
//! tries counts, since other work on the machine can only make a try slower. An operation that is
//! logarithmic in the depth takes about as long in both; one that scans takes sixteen times as long.
//! The bound lies between the two, with room for caches that a deep queue does not fit into.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::conformance::bench::{HOUR, MINUTE, Queue, messages, new_claim};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Budget, List, NewClaim, NewMessage, Post, Release};

cases! { PoolBench:
    "pool.depth.plain" plain "no operation costs more in a deep queue"
    "pool.depth.delayed" delayed "many delayed messages at the head cost those behind them nothing"
    "pool.depth.claimed" claimed "many claimed messages at the head cost those behind them nothing"
    "pool.depth.expired" expired "many messages that expire at once are settled once, and cost those behind them nothing"
    "pool.depth.fall_due" fall_due "many messages that fall due at once are settled once"
    "pool.depth.swept" swept "what expired at once is swept in steps of about the budget"
    "pool.depth.own" own "a reader's own messages are passed over once, not at each listing"
    "pool.depth.queues" queues "no operation costs more among many queues"
}

/// How many times as many messages the deep queue holds.
const TIMES: u32 = 16;
/// So many times as long an operation may take there: a quarter of what a scan would.
const BOUND: u32 = 4;
/// Below this the machine is measured, and not the store.
const GRAIN: Duration = Duration::from_micros(50);
/// Tries of an operation in each queue, of which the best counts.
const TRIES: u32 = 10;
/// The tries are repeated so often before a store is found wanting: the machine may be busy.
const ROUNDS: u32 = 5;
/// What cannot be tried in turns is tried for so long before a store is found wanting: the machine may have been less
/// busy before.
const PATIENCE: Duration = Duration::from_secs(20);
/// Messages of one post, and of one claim, while a queue is filled.
const BATCH: u32 = 500;
/// Queues that are made together.
const TOGETHER: usize = 64;
/// Messages that are alive behind what is in the way: more than all tries together take.
const ALIVE: u32 = 100;
/// Who posts what fills a queue.
const OWNER: &str = "owner";

/// An operation whose cost must not grow. Each leaves as many messages as it found, but for the owner's.
#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Posts a message and pops the oldest available one.
    PostAndPop,
    /// Claims a message and releases it.
    ClaimAndRelease,
    /// Lists from the head.
    List,
    /// Lists from the last message that was filled in.
    ListOn,
    /// Lists what others have posted, after a further post of the owner's.
    ListOthers,
    /// Counts.
    Stats,
    /// Sweeps, when nothing is due.
    Sweep,
}

/// All that a reader or a worker does.
const ALL: [Operation; 6] = [
    Operation::PostAndPop,
    Operation::ClaimAndRelease,
    Operation::List,
    Operation::ListOn,
    Operation::Stats,
    Operation::Sweep,
];

impl Operation {
    async fn run(self, queue: &Queue) -> Result<(), Failure> {
        let page = || List { limit: 10, ..List::default() };
        match self {
            Operation::PostAndPop => {
                queue.post(&["new"]).await?;
                ensure_eq!(queue.pop(1).await?.len(), 1, "messages popped");
            }
            Operation::ClaimAndRelease => {
                let claim = new_claim(1);
                let id = claim.id;
                ensure_eq!(queue.claim_as(claim).await?.batch.messages.len(), 1, "messages claimed");
                let release = Release { uncounted: true, ..Release::default() };
                queue.pool().claim_release(&queue.call(), &queue.reference, id, release).await?;
            }
            Operation::List => ensure_eq!(queue.list(page()).await?.messages.len(), 10, "messages listed"),
            Operation::ListOn => {
                let newest = queue.pool().stats(&queue.call(), &queue.reference).await?.newest;
                queue.list(List { after: newest.map(|spot| spot.place), ..page() }).await?;
            }
            Operation::ListOthers => {
                let others = queue.list(List { not_from: Some(OWNER.to_owned()), ..page() }).await?.messages;
                ensure_eq!(others.len(), 10, "messages of others listed");
            }
            Operation::Stats => drop(queue.pool().stats(&queue.call(), &queue.reference).await?),
            Operation::Sweep => {
                let budget = Budget { items: 100, time: Duration::from_millis(100) };
                queue.pool().sweep(&queue.call(), budget).await?;
            }
        }
        Ok(())
    }

    async fn time(self, queue: &Queue) -> Result<Duration, Failure> {
        if let Operation::ListOthers = self {
            queue.post_as(post_of(OWNER, "own", 1, HOUR, Duration::ZERO)).await?;
        }
        let begun = Instant::now();
        self.run(queue).await?;
        Ok(begun.elapsed())
    }
}

/// The best times of an operation in a shallow and in a deep queue.
struct Best {
    shallow: Duration,
    deep: Duration,
}

impl Best {
    fn of_none() -> Best {
        Best { shallow: Duration::MAX, deep: Duration::MAX }
    }

    fn is_sound(&self) -> bool {
        self.deep <= self.shallow * BOUND + GRAIN
    }

    fn check(&self, operation: Operation, depth: u32) -> Result<(), Failure> {
        let Best { shallow, deep } = self;
        ensure!(
            self.is_sound(),
            "{operation:?} takes {deep:?} at {depth} and {shallow:?} at {}, at best: at most {BOUND} times as long is \
             expected, and a scan takes {TIMES} times as long",
            depth / TIMES
        );
        Ok(())
    }
}

/// A shallow and a deep queue.
struct Pair {
    shallow: Queue,
    deep: Queue,
    depth: u32,
}

impl Pair {
    async fn of(bench: &PoolBench) -> Result<Pair, Failure> {
        let depth = bench.effort.depth.max(TIMES);
        Ok(Pair { shallow: bench.queue().await?, deep: bench.queue().await?, depth })
    }

    /// Fills both, each to its depth.
    async fn fill(&self, ttl: Duration, delay: Duration) -> Result<(), Failure> {
        for (queue, depth) in [(&self.shallow, self.depth / TIMES), (&self.deep, self.depth)] {
            post_many(queue, depth, ttl, delay).await?;
        }
        Ok(())
    }

    /// Posts what is alive behind what is in the way.
    async fn live(&self) -> Result<(), Failure> {
        for queue in [&self.shallow, &self.deep] {
            queue.post_as(post_of("other", "alive", ALIVE, HOUR, Duration::ZERO)).await?;
        }
        Ok(())
    }

    /// Holds operations to the bound.
    async fn compare(&self, operations: &[Operation]) -> Result<(), Failure> {
        for operation in operations {
            if let Operation::Sweep = operation {
                settle(&self.deep).await?;
            }
            let mut best = Best::of_none();
            for _ in 0..ROUNDS {
                // Each is first in turn: a pool may do something with every other call only.
                for number in 0..TRIES {
                    if number % 2 == 0 {
                        best.shallow = best.shallow.min(operation.time(&self.shallow).await?);
                    }
                    best.deep = best.deep.min(operation.time(&self.deep).await?);
                    if number % 2 == 1 {
                        best.shallow = best.shallow.min(operation.time(&self.shallow).await?);
                    }
                }
                if best.is_sound() {
                    break;
                }
            }
            best.check(*operation, self.depth)?;
        }
        Ok(())
    }
}

/// Sweeps until nothing is due: a sweep is one of the whole pool, and dearer as long as there is something to do.
async fn settle(queue: &Queue) -> Result<(), Failure> {
    const BUDGET: Budget = Budget { items: 1_000, time: Duration::from_secs(1) };
    const MOST: u32 = 10_000;
    for _ in 0..MOST {
        if !queue.pool().sweep(&queue.call(), BUDGET).await?.more {
            return Ok(());
        }
    }
    Err(Failure::Broken(format!("after {MOST} sweeps there is more to do")))
}

fn post_of(client: &str, body: &str, count: u32, ttl: Duration, delay: Duration) -> Post {
    let message = messages(&[body], ttl, delay).into_iter().next().unwrap_or_default();
    let messages: Vec<NewMessage> = (0..count).map(|_| message.clone()).collect();
    Post { client: client.to_owned(), messages, ..Post::default() }
}

async fn post_many(queue: &Queue, count: u32, ttl: Duration, delay: Duration) -> Result<(), Failure> {
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        queue.post_as(post_of(OWNER, "filled in", batch, ttl, delay)).await?;
        left -= batch;
    }
    Ok(())
}

async fn plain(bench: PoolBench) -> Result<(), Failure> {
    let pair = Pair::of(&bench).await?;
    pair.fill(HOUR, Duration::ZERO).await?;
    pair.compare(&ALL).await
}

async fn delayed(bench: PoolBench) -> Result<(), Failure> {
    let pair = Pair::of(&bench).await?;
    pair.fill(2 * HOUR, HOUR).await?;
    pair.live().await?;
    pair.compare(&ALL).await
}

async fn claimed(bench: PoolBench) -> Result<(), Failure> {
    let pair = Pair::of(&bench).await?;
    pair.fill(2 * HOUR, Duration::ZERO).await?;
    for queue in [&pair.shallow, &pair.deep] {
        while !queue.claim_as(NewClaim { ttl: HOUR, ..new_claim(BATCH) }).await?.batch.messages.is_empty() {}
    }
    pair.live().await?;
    pair.compare(&ALL).await
}

async fn expired(bench: PoolBench) -> Result<(), Failure> {
    let pair = Pair::of(&bench).await?;
    pair.fill(MINUTE, Duration::ZERO).await?;
    pair.live().await?;
    bench.clock.advance(2 * MINUTE);
    pair.compare(&ALL).await
}

async fn fall_due(bench: PoolBench) -> Result<(), Failure> {
    let pair = Pair::of(&bench).await?;
    pair.fill(HOUR, MINUTE).await?;
    pair.live().await?;
    bench.clock.advance(2 * MINUTE);
    pair.compare(&ALL).await
}

async fn swept(bench: PoolBench) -> Result<(), Failure> {
    const BUDGET: Budget = Budget { items: 640, time: Duration::from_secs(5) };
    let queue = bench.queue().await?;
    post_many(&queue, bench.effort.depth, MINUTE, Duration::ZERO).await?;
    bench.clock.advance(2 * MINUTE);
    let (mut expired, mut steps) = (0, 0);
    loop {
        let step = queue.pool().sweep(&queue.call(), BUDGET).await?;
        let count = step.expired + step.freed + step.moved;
        // Stores settle pages and blocks whole.
        ensure!(count <= 2 * u64::from(BUDGET.items), "a step with a budget of {} settled {count}", BUDGET.items);
        expired += step.expired;
        steps += 1;
        ensure!(
            steps <= 10 + 10 * bench.effort.depth / BUDGET.items,
            "{steps} steps have swept {expired} of {}",
            bench.effort.depth
        );
        if !step.more {
            break;
        }
    }
    ensure_eq!(expired, u64::from(bench.effort.depth), "messages swept");
    Ok(())
}

async fn own(bench: PoolBench) -> Result<(), Failure> {
    let pair = Pair::of(&bench).await?;
    pair.fill(HOUR, Duration::ZERO).await?;
    pair.live().await?;
    pair.compare(&[Operation::ListOthers]).await
}

/// Here the number of queues is what grows: first there are few beside the one that is worked on, then many.
async fn queues(bench: PoolBench) -> Result<(), Failure> {
    let many = (bench.effort.depth / TIMES).max(TIMES);
    let queue = bench.queue().await?;
    queue.post_as(post_of("other", "alive", ALIVE, HOUR, Duration::ZERO)).await?;
    add_queues(&bench, many / TIMES).await?;
    let mut bests = Vec::new();
    for operation in ALL {
        let mut best = Best::of_none();
        for _ in 0..TRIES * 3 {
            best.shallow = best.shallow.min(operation.time(&queue).await?);
        }
        bests.push((operation, best));
    }
    add_queues(&bench, many - many / TIMES).await?;
    for (operation, mut best) in bests {
        let begun = Instant::now();
        while !best.is_sound() && begun.elapsed() < PATIENCE {
            best.deep = best.deep.min(operation.time(&queue).await?);
        }
        best.check(operation, many)?;
    }
    Ok(())
}

async fn add_queues(bench: &PoolBench, count: u32) -> Result<(), Failure> {
    let (mut adding, mut left) = (JoinSet::new(), count);
    while left > 0 || !adding.is_empty() {
        while left > 0 && adding.len() < TOGETHER {
            let bench = bench.clone();
            adding.spawn(async move { bench.queue().await?.post(&["a"]).await.map_err(Failure::from) });
            left -= 1;
        }
        if let Some(added) = adding.join_next().await {
            added.map_err(|error| Failure::Broken(error.to_string()))??;
        }
    }
    Ok(())
}
