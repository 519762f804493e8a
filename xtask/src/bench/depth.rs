//! `cargo xtask bench --depth`: rates in deep queues and among many, beside those in shallow ones.

use std::path::Path;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::load::{self, Measured};
use super::server::Server;
use super::work::{self, Work};
use crate::failure::Failure;

/// Connections at work.
const CONNECTIONS: usize = 16;
/// Messages of one post while queues are filled.
const BATCH: usize = 200;
/// The shortest life that a message can have.
const SHORTEST: Duration = Duration::from_secs(61);
/// Filling a queue with what is to expire takes less than this.
const FILLING: Duration = Duration::from_secs(40);

/// What the host holds before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stock {
    /// So many messages in all, that anybody can claim.
    Messages(usize),
    /// So many messages at the heads of the queues that are still delayed, and a thousand behind.
    Delayed(usize),
    /// So many messages at the heads of the queues that have just expired together, and a thousand behind.
    Expired(usize),
    /// So many empty queues.
    Queues(usize),
}

impl Stock {
    fn name(self) -> String {
        match self {
            Stock::Messages(count) => format!("{count} messages"),
            Stock::Delayed(count) => format!("{count} delayed before 1000"),
            Stock::Expired(count) => format!("{count} just expired before 1000"),
            Stock::Queues(count) => format!("{count} queues"),
        }
    }
}

/// What is compared: the work, the shallow stock, the deep one.
const PAIRS: [(Work, Stock, Stock); 9] = [
    (Work::Post, Stock::Messages(1_000), Stock::Messages(1_000_000)),
    (Work::PostClaimDelete, Stock::Messages(1_000), Stock::Messages(1_000_000)),
    (Work::List, Stock::Messages(1_000), Stock::Messages(1_000_000)),
    (Work::PostClaimDelete, Stock::Messages(1_000), Stock::Delayed(1_000_000)),
    (Work::List, Stock::Messages(1_000), Stock::Delayed(1_000_000)),
    (Work::PostClaimDelete, Stock::Messages(1_000), Stock::Expired(1_000_000)),
    (Work::List, Stock::Messages(1_000), Stock::Expired(1_000_000)),
    (Work::ListOthers, Stock::Messages(1_000), Stock::Messages(1_000_000)),
    (Work::PostAround, Stock::Queues(10), Stock::Queues(100_000)),
];

/// Measures every pair and prints a line for each as it is known.
pub async fn run(folder: &Path, length: Duration, turns: u32) -> Result<(), Failure> {
    println!("{:<26} {:<28} {:>10} {:<34} {:>10}  ratio", "work", "shallow", "/s", "deep", "/s");
    for (work, shallow, deep) in PAIRS {
        let (one, other) = both(folder, work, shallow, deep, length, turns).await?;
        let ratio = if one.rate > 0.0 { other.rate / one.rate * 100.0 } else { 0.0 };
        let (from, to) = (shallow.name(), deep.name());
        println!("{:<26} {from:<28} {:>10.0} {to:<34} {:>10.0} {ratio:>5.0}%", work.name(), one.rate, other.rate);
    }
    Ok(())
}

/// Both hosts run at the same time and are measured in turns: so each turn of the machine's mood
/// falls on both.
async fn both(
    folder: &Path,
    work: Work,
    shallow: Stock,
    deep: Stock,
    length: Duration,
    turns: u32,
) -> Result<(Measured, Measured), Failure> {
    let (one, other) = (Server::host(&folder.join("shallow"))?, Server::host(&folder.join("deep"))?);
    stock(&one, shallow).await?;
    stock(&other, deep).await?;
    let (mut of_one, mut of_other) = (Measured::default(), Measured::default());
    // What has just expired is cleared away by the end of the first turn.
    let turns = if matches!(deep, Stock::Expired(_)) { 1 } else { turns.max(1) };
    for _ in 0..turns {
        of_one = of_one.better(load::run(&one, work.among(queues(shallow)), CONNECTIONS, length).await?);
        of_other = of_other.better(load::run(&other, work.among(queues(deep)), CONNECTIONS, length).await?);
    }
    Ok((of_one, of_other))
}

fn queues(stock: Stock) -> usize {
    if let Stock::Queues(count) = stock { count } else { work::QUEUES }
}

async fn stock(server: &Server, stock: Stock) -> Result<(), Failure> {
    match stock {
        Stock::Messages(count) => posts(server, count, || message(0, 3600)).await,
        Stock::Delayed(count) => {
            posts(server, count, || message(900, 3600)).await?;
            posts(server, 1_000, || message(0, 3600)).await
        }
        Stock::Expired(count) => {
            // Each lives until the same instant, which is as far away as filling may take.
            let end = Instant::now() + FILLING + SHORTEST;
            posts(server, count, move || message(0, end.saturating_duration_since(Instant::now()).as_secs())).await?;
            posts(server, 1_000, || message(0, 3600)).await?;
            tokio::time::sleep_until(end.into()).await;
            Ok(())
        }
        Stock::Queues(count) => {
            all(server, count, |queue| work::request("PUT", &format!("/v2/queues/bench-{queue}"), b"")).await
        }
    }
}

/// A message of 1 KiB, hidden for so many seconds, that lives for so many.
fn message(delay: u64, ttl: u64) -> String {
    format!("{{\"delay\":{delay},\"ttl\":{ttl},\"body\":\"{}\"}}", "x".repeat(1022))
}

/// Posts about so many messages, made as they are sent, in batches to the queues in turn.
async fn posts(
    server: &Server,
    count: usize,
    message: impl Fn() -> String + Send + Sync + 'static,
) -> Result<(), Failure> {
    let of_each = count.div_ceil(work::QUEUES);
    let batch = BATCH.min(of_each);
    all(server, of_each.div_ceil(batch) * work::QUEUES, move |number| {
        let messages = vec![message(); batch].join(",");
        let path = format!("/v2/queues/bench-{}/messages", number % work::QUEUES);
        work::request("POST", &path, format!("{{\"messages\":[{messages}]}}").as_bytes())
    })
    .await
}

/// Sends so many requests, over some connections; each is made as it is sent.
async fn all(
    server: &Server,
    count: usize,
    request: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static,
) -> Result<(), Failure> {
    let mut senders = tokio::task::JoinSet::new();
    let request = std::sync::Arc::new(request);
    for first in 0..CONNECTIONS {
        let (request, mut connection) = (request.clone(), Connection::open(server.address).await?);
        senders.spawn(async move {
            for number in (first..count).step_by(CONNECTIONS) {
                let status = connection.exchange(&request(number)).await?.status;
                if !matches!(status, 201 | 204) {
                    return Err(Failure::Found(format!("a queue cannot be filled: answer {status}")));
                }
            }
            Ok(())
        });
    }
    while let Some(joined) = senders.join_next().await {
        joined.map_err(|error| Failure::Found(format!("a worker of the load generator broke: {error}")))??;
    }
    Ok(())
}
