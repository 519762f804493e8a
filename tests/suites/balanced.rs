//! The worked example of `examples/many-hosts`: three hosts behind HAProxy, with the very files that
//! stand there but for addresses.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::queue::Queue;
use sukkal_tests::rest::Call;
use sukkal_tests::servers::haproxy::Ports;
use sukkal_tests::servers::redis::Redis;
use sukkal_tests::servers::{HaProxy, Postgres};
use sukkal_tests::ws::{self, Frame, Socket};
use sukkal_tests::{Client, Host, Scrape, eventually, programs};
use tokio::io::AsyncWriteExt;

use crate::clients;

/// What stands behind the hosts, the hosts, and what stands before them.
struct Site {
    balancer: HaProxy,
    hosts: [Host; 3],
    _postgres: Postgres,
    _redis: Redis,
}

impl Site {
    async fn start() -> Site {
        let (postgres, redis) = (Postgres::start().await, Redis::in_memory());
        let (one, two, three) = tokio::join!(host(&postgres, &redis), host(&postgres, &redis), host(&postgres, &redis));
        let hosts = [one, two, three];
        let balancer = HaProxy::before(hosts.each_ref().map(ports)).await;
        Site { balancer, hosts, _postgres: postgres, _redis: redis }
    }

    fn queue(&self, name: &str) -> Queue {
        Queue::new(self.balancer.client(), name)
    }
}

/// A host with the example's settings.
async fn host(postgres: &Postgres, redis: &Redis) -> Host {
    let example = std::fs::read_to_string(programs::checkout("examples/many-hosts/sukkal.toml"));
    let mut text = example.expect("the example can be read");
    let mut host = Host::with().prepare();
    let key = host.folder().join("signing.key");
    std::fs::write(&key, "test-secret").expect("a file can be written");
    for (printed, here) in [
        ("postgres://sukkal@db.example.org/sukkal?sslmode=verify-full", postgres.uri()),
        ("rediss://redis.example.org", redis.uri()),
        ("0.0.0.0:8888", "127.0.0.1:0".to_owned()),
        ("0.0.0.0:9000", "127.0.0.1:0".to_owned()),
        ("0.0.0.0:8889", "127.0.0.1:0".to_owned()),
        ("/etc/sukkal/signing.key", key.display().to_string()),
    ] {
        assert!(text.contains(printed), "the example has {printed}");
        text = text.replace(printed, &here);
    }
    std::fs::write(host.folder().join("sukkal.toml"), text).expect("the configuration can be written");
    host.start_again().await;
    host
}

fn ports(host: &Host) -> Ports {
    Ports {
        rest: host.address().to_owned(),
        websocket: host.websocket_address(),
        admin: host.admin_address().to_owned(),
    }
}

/// The status of a request whose host may be lost: HAProxy answers it with 502 or 504, or ends a
/// connection that it had from an earlier request without an answer, for the client to repeat it
/// (RFC 9112 §9.3.1). None where another attempt is due.
async fn taken(call: Call<'_>) -> Option<u16> {
    call.try_send().await.ok().map(|answer| answer.status).filter(|status| !(502..=504).contains(status))
}

/// Posts one message, under a key, as often as it takes.
async fn post(client: &Client, number: usize) {
    let body = json!({ "messages": [{ "ttl": 3600, "body": number }] }).to_string();
    eventually("a post is taken", SOON, async || {
        let post = client.request("POST", "/v2/queues/numbers/messages").header("idempotency-key", &number.to_string());
        taken(post.body(body.clone())).await.map(|status| assert_eq!(status, 201, "a post is answered"))
    })
    .await;
}

/// Deletes a message of a claim, as often as it takes.
async fn delete(client: &Client, href: &str) {
    eventually("a deletion is taken", SOON, async || {
        taken(client.request("DELETE", href)).await.map(|status| assert_eq!(status, 204, "a deletion is answered"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_one_service_and_outlive_the_loss_of_a_host() {
    const MESSAGES: usize = 300;
    let mut site = Site::start().await;
    clients::run_against(&site.balancer.base(), "zaqarclient_rest.py", &[]);
    for host in &site.hosts {
        let metrics = Scrape::of(&host.pages(), "/metrics").await;
        assert!(metrics.sum("sukkal_requests_total", &[("outcome", "ok")]) > 10.0, "each host has its share");
    }
    let client = site.balancer.client();
    let n_posted = AtomicUsize::new(0);
    let posting = async {
        for number in 0..MESSAGES {
            post(&client, number).await;
            n_posted.fetch_add(1, Ordering::Relaxed);
        }
    };
    let losing = async {
        let some = async || (n_posted.load(Ordering::Relaxed) > MESSAGES / 10).then_some(());
        eventually("some are posted", SOON, some).await;
        site.hosts[0].kill();
    };
    tokio::join!(posting, losing);
    let mut seen = BTreeSet::new();
    loop {
        let answer = client.post("/v2/queues/numbers/claims?limit=20", json!({ "ttl": 300, "grace": 60 })).await;
        match answer.status {
            201 => {}
            204 => break,
            other => panic!("a claim is answered with {other}: {}", answer.text()),
        }
        for message in answer.json()["messages"].as_array().into_iter().flatten() {
            assert!(seen.insert(message["body"].as_u64()), "twice: {message}");
            delete(&client, message["href"].as_str().unwrap_or_default()).await;
        }
    }
    assert_eq!(seen.len(), MESSAGES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_at_all_hosts_share_a_queue_and_no_message() {
    const MESSAGES: usize = 1_000;
    let site = Site::start().await;
    let orders = site.queue("orders");
    for batch in 0..MESSAGES / 20 {
        orders.post(batch * 20..(batch + 1) * 20).await;
    }
    let workers = (0..16).map(|_| {
        let queue = site.queue("orders");
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(claim) = queue.try_claim(7).await {
                seen.extend(claim.bodies().iter().filter_map(serde_json::Value::as_u64));
            }
            let [free, _, _] = queue.counts().await;
            (seen, free)
        })
    });
    let mut seen = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        let (bodies, free) = worker.await.expect("a worker does not panic");
        assert_eq!(free, 0, "none is free when a worker finds none");
        seen.extend(bodies);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..MESSAGES as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_it_waits_takes_nothing() {
    let site = Site::start().await;
    let orders = site.queue("orders");
    orders.create(json!({})).await;
    let base = site.balancer.base();
    let address = base.trim_start_matches("http://");
    let in_flight = async || {
        let mut requests = 0.0;
        for host in &site.hosts {
            let metrics = Scrape::of(&host.pages(), "/metrics").await;
            requests += metrics.sum("sukkal_requests_in_flight", &[("transport", "rest")]);
        }
        requests
    };
    eventually("the queue's creation is over", SOON, async || (in_flight().await == 0.0).then_some(())).await;
    let mut leaving = tokio::net::TcpStream::connect(address).await.expect("the balancer listens");
    let request = "POST /v2/queues/orders/claims?wait=20 HTTP/1.1\r\nhost: h\r\nx-project-id: p1\r\n\
                   client-id: 6f5f5d3e-8a55-4d0c-9e1c-6f0a8b6f0001\r\ncontent-length: 0\r\n\r\n";
    leaving.write_all(request.as_bytes()).await.expect("the balancer reads");
    eventually("a host has it", SOON, async || (in_flight().await == 1.0).then_some(())).await;
    drop(leaving);
    eventually("the host has seen it go", SOON, async || (in_flight().await == 0.0).then_some(())).await;
    orders.post(["a"]).await;
    assert_eq!(orders.claim(1).await.bodies(), ["a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_told_to_leave_costs_no_request() {
    let mut site = Site::start().await;
    let ends = Arc::new(AtomicBool::new(false));
    let posters: Vec<_> = (0..4)
        .map(|_| {
            let (queue, ends) = (site.queue("orders"), ends.clone());
            tokio::spawn(async move {
                let mut n_posted = 0;
                while !ends.load(Ordering::Relaxed) {
                    queue.post([n_posted]).await;
                    n_posted += 1;
                }
                n_posted
            })
        })
        .collect();
    assert_eq!(site.hosts[1].stop().await.code(), Some(0));
    ends.store(true, Ordering::Relaxed);
    let mut n_posted = 0;
    for poster in posters {
        n_posted += poster.await.expect("each post is answered with 201");
    }
    assert_eq!(site.queue("orders").counts().await, [n_posted, 0, n_posted]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_are_spread_and_carry_on_at_another_host() {
    let mut site = Site::start().await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = Socket::connect(&site.balancer.websocket_address()).await;
        assert_eq!(post_over(&mut socket).await, Some(201));
        sockets.push(socket);
    }
    site.hosts[2].kill();
    let mut n_lost = 0;
    for socket in &mut sockets {
        if post_over(socket).await.is_none() {
            n_lost += 1;
            let mut again = Socket::connect(&site.balancer.websocket_address()).await;
            assert_eq!(post_over(&mut again).await, Some(201));
        }
    }
    assert_eq!(n_lost, 1, "each host had one");
    assert_eq!(site.queue("orders").counts().await, [6, 0, 6]);
}

/// Posts over a websocket; the status, or none if the connection has ended.
async fn post_over(socket: &mut Socket) -> Option<u64> {
    let post = json!({ "queue_name": "orders", "messages": [{ "ttl": 3600, "body": "over a websocket" }] });
    if !socket.text(ws::request("message_post", &post).to_string()).await {
        return None;
    }
    match socket.next().await {
        Frame::Text(answer) => answer["headers"]["status"].as_u64(),
        Frame::Closed(_) => None,
        Frame::Binary(answer) => panic!("{answer} where a text is due"),
    }
}
