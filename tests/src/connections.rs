//! Many connections at once: what each holds, and whether they leave anything behind.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::eventually::{SOON, eventually};
use crate::holdings::Holdings;
use crate::rest::Answer;
use crate::{Client, Host, Scrape};

/// What idle websockets came to.
#[derive(Clone, Copy, Debug)]
pub struct Sockets {
    /// Memory that each held, in bytes.
    pub bytes_each: u64,
    /// The host after they were closed, all of them opened once,
    pub closed: Holdings,
    /// and after they were closed again.
    pub closed_again: Holdings,
}

/// Opens and closes so many websockets, and does it again.
pub async fn sockets(host: &Host, n_sockets: usize) -> Sockets {
    host.websocket().await.ask("queue_list", json!({})).await.expect(200);
    let before = Holdings::of(host).await;
    let bytes_each = open_and_close(host, n_sockets, before).await;
    let closed = Holdings::of(host).await;
    open_and_close(host, n_sockets, before).await;
    Sockets { bytes_each, closed, closed_again: Holdings::of(host).await }
}

/// How much memory each held; waits until the host has let go of all.
async fn open_and_close(host: &Host, n_sockets: usize, before: Holdings) -> u64 {
    let bytes = host.resident();
    let mut sockets = Vec::with_capacity(n_sockets);
    for _ in 0..n_sockets {
        sockets.push(host.websocket().await);
    }
    let each = host.resident().saturating_sub(bytes) / n_sockets as u64;
    let mut last = sockets.pop().expect("there are many");
    last.ask("queue_list", json!({})).await.expect(200);
    drop((sockets, last));
    eventually("every descriptor and task is given back", SOON, async || {
        let now = Holdings::of(host).await;
        (now.open_files <= before.open_files && now.tasks <= before.tasks).then_some(())
    })
    .await;
    each
}

/// What long polls on one queue came to.
#[derive(Debug)]
pub struct Polls {
    /// Memory that each held with its connection, in bytes.
    pub bytes_each: u64,
    /// What came of each.
    pub answers: Vec<Polled>,
    /// How often the pool was asked to claim while they waited.
    pub n_looks: usize,
}

/// What came of a long poll.
#[derive(Debug)]
pub struct Polled {
    /// The bodies that it got; none: it was told that there was nothing.
    pub bodies: Vec<Value>,
    /// How long it took.
    pub took: Duration,
}

/// Lets so many claims of one message wait for so many seconds in a queue, and posts fewer messages
/// there once all of them do: half of them one by one, the others at once.
pub async fn polls(host: &Host, n_polls: usize, wait: u64, n_messages: usize) -> Polls {
    let (queue, before) = (host.queue("waited-for"), looks(host).await);
    queue.create(json!({})).await;
    let bytes = host.resident();
    let client = Client::new(host.base());
    let mut polls = JoinSet::new();
    for _ in 0..n_polls {
        let (client, path) = (client.clone(), queue.path(&format!("/claims?limit=1&wait={wait}")));
        polls.spawn(async move {
            let begun = Instant::now();
            let answer = client.post(&path, json!({ "ttl": 300, "grace": 60 })).await;
            Polled { took: begun.elapsed(), bodies: bodies(&answer) }
        });
    }
    // Each looks, watches the queue, and looks again.
    eventually("all of them wait", SOON, async || (looks(host).await - before >= 2 * n_polls).then_some(())).await;
    let bytes_each = host.resident().saturating_sub(bytes) / n_polls as u64;
    let waiting = looks(host).await;
    let (one_by_one, at_once) = (0..n_messages / 2, n_messages / 2..n_messages);
    for number in one_by_one {
        queue.post([number]).await;
    }
    queue.post(at_once).await;
    let answers = polls.join_all().await;
    Polls { bytes_each, answers, n_looks: looks(host).await - waiting }
}

fn bodies(answer: &Answer) -> Vec<Value> {
    match answer.status {
        204 => Vec::new(),
        201 => crate::queue::bodies(answer.json()["messages"].as_array().map_or(&[], Vec::as_slice)),
        other => panic!("a claim is answered {other}: {}", answer.text()),
    }
}

async fn looks(host: &Host) -> usize {
    let labels = [("kind", "pool"), ("method", "claim")];
    Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_store_calls_total", &labels) as usize
}
