//! Connections at work at the same time, for a while.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::connection::Connection;
use super::latency::Latencies;
use super::server::Server;
use super::work::{QUEUES, Spread, Worker, post};
use crate::failure::Failure;

/// Messages of one post while queues are filled: 200 of 1 KiB are just below the limit of a post.
const FILL_BATCH: usize = 200;
/// More claims a second than these need would be a surprise.
const FILLED_PER_SECOND: u64 = 160_000;
/// Not counted: connections warm up, the server's caches fill.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a measurement gave.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Pieces of work a second.
    pub rate: f64,
    /// The duration of each.
    pub latencies: Latencies,
    /// The work ran out before the time did.
    pub drained: bool,
}

impl Measured {
    /// The one of two turns with the higher rate.
    pub fn better(self, other: Measured) -> Measured {
        if other.rate > self.rate { other } else { self }
    }
}

/// Runs so many workers for so long.
pub async fn run(server: &Server, work: Spread, connections: usize, length: Duration) -> Result<Measured, Failure> {
    let mut workers = JoinSet::new();
    let begin = Instant::now() + WARM_UP;
    for number in 0..connections {
        let worker = Worker::new(Connection::open(server.address).await?, work, number);
        workers.spawn(measure(worker, begin, begin + length));
    }
    let mut measured = Measured::default();
    let mut parts = Vec::new();
    let mut end = begin + length;
    while let Some(joined) = workers.join_next().await {
        let done =
            joined.map_err(|error| Failure::Found(format!("a worker of the load generator broke: {error}")))??;
        parts.push(done.latencies);
        if let Some(empty_at) = done.empty_at {
            measured.drained = true;
            end = end.min(empty_at);
        }
    }
    measured.latencies = Latencies::joined(parts);
    let seconds = end.saturating_duration_since(begin).as_secs_f64();
    measured.rate = if seconds > 0.0 { measured.latencies.len() as f64 / seconds } else { 0.0 };
    Ok(measured)
}

/// Posts as many messages as claims may take in so many seconds.
pub async fn fill(server: &Server, seconds: u64) -> Result<(), Failure> {
    let n_posts = (seconds + 1) * FILLED_PER_SECOND / (FILL_BATCH * QUEUES) as u64;
    let mut posters = JoinSet::new();
    for queue in 0..QUEUES {
        let mut connection = Connection::open(server.address).await?;
        posters.spawn(async move {
            let request = post(queue, FILL_BATCH, 0);
            for _ in 0..n_posts {
                let reply = connection.exchange(&request).await?;
                if reply.status != 201 {
                    return Err(Failure::Found(format!("a post of {FILL_BATCH} messages got {}", reply.status)));
                }
            }
            Ok(())
        });
    }
    while let Some(joined) = posters.join_next().await {
        joined.map_err(|error| Failure::Found(format!("a worker of the load generator broke: {error}")))??;
    }
    Ok(())
}

struct Done {
    latencies: Latencies,
    empty_at: Option<Instant>,
}

async fn measure(mut worker: Worker, begin: Instant, end: Instant) -> Result<Done, Failure> {
    let mut latencies = Latencies::default();
    let mut sent = Instant::now();
    while sent < end {
        if !worker.once().await? {
            return Ok(Done { latencies, empty_at: Some(Instant::now()) });
        }
        let answered = Instant::now();
        if sent >= begin && answered <= end {
            latencies.add(answered - sent);
        }
        sent = answered;
    }
    Ok(Done { latencies, empty_at: None })
}
