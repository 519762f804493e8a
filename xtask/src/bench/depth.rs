//! `cargo xtask bench --depth`: rates in deep queues and among many, beside those in shallow ones.

use std::path::Path;
use std::time::Duration;

use super::connection::Connection;
use super::load::{self, Measured};
use super::server::Server;
use super::work::{self, Work};
use crate::failure::Failure;

/// Connections at work.
const CONNECTIONS: usize = 16;
/// Messages of one post while queues are filled.
const BATCH: usize = 200;

/// What the host holds before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stock {
    /// So many messages in all, that anybody can claim.
    Messages(usize),
    /// So many messages at the heads of the queues that are still delayed, and a thousand behind.
    Delayed(usize),
    /// So many empty queues.
    Queues(usize),
}

impl Stock {
    fn name(self) -> String {
        match self {
            Stock::Messages(count) => format!("{count} messages"),
            Stock::Delayed(count) => format!("{count} delayed before 1000"),
            Stock::Queues(count) => format!("{count} queues"),
        }
    }
}

/// What is compared: the work, the shallow stock, the deep one.
const PAIRS: [(Work, Stock, Stock); 7] = [
    (Work::Post, Stock::Messages(1_000), Stock::Messages(1_000_000)),
    (Work::PostClaimDelete, Stock::Messages(1_000), Stock::Messages(1_000_000)),
    (Work::List, Stock::Messages(1_000), Stock::Messages(1_000_000)),
    (Work::PostClaimDelete, Stock::Messages(1_000), Stock::Delayed(1_000_000)),
    (Work::List, Stock::Messages(1_000), Stock::Delayed(1_000_000)),
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
    for _ in 0..turns.max(1) {
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
        Stock::Messages(count) => posts(server, count, 0).await,
        Stock::Delayed(count) => {
            posts(server, count, 900).await?;
            posts(server, 1_000, 0).await
        }
        Stock::Queues(count) => {
            let requests = (0..count).map(|queue| work::request("PUT", &format!("/v2/queues/bench-{queue}"), b""));
            all(server, requests.collect()).await
        }
    }
}

async fn posts(server: &Server, count: usize, delay: u64) -> Result<(), Failure> {
    let of_each = count.div_ceil(work::QUEUES);
    let requests = (0..work::QUEUES).flat_map(|queue| {
        let batch = BATCH.min(of_each);
        std::iter::repeat_n(work::post(queue, batch, delay), of_each.div_ceil(batch))
    });
    all(server, requests.collect()).await
}

/// Sends every request, over some connections.
async fn all(server: &Server, requests: Vec<Vec<u8>>) -> Result<(), Failure> {
    let mut senders = tokio::task::JoinSet::new();
    let requests = std::sync::Arc::new(requests);
    for first in 0..CONNECTIONS {
        let (requests, mut connection) = (requests.clone(), Connection::open(server.address).await?);
        senders.spawn(async move {
            for request in requests.iter().skip(first).step_by(CONNECTIONS) {
                let status = connection.exchange(request).await?.status;
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
