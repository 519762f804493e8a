//! Long polls: who asks to wait is answered when there is something for them, and not before the end
//! of the wait otherwise.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::queue::Queue;
use sukkal_tests::rest::{Answer, CLIENT, OTHER};
use sukkal_tests::stores::STORES;
use sukkal_tests::{Host, Scrape, eventually, programs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// Claims one message, and waits for it.
fn claim(queue: &Queue, seconds: u32) -> JoinHandle<Answer> {
    claim_many(queue, 1, seconds)
}

fn claim_many(queue: &Queue, limit: u32, seconds: u32) -> JoinHandle<Answer> {
    let queue = queue.clone();
    let path = queue.path(&format!("/claims?limit={limit}&wait={seconds}"));
    tokio::spawn(async move { queue.client().post(&path, json!({ "ttl": 300, "grace": 60 })).await })
}

fn list(queue: &Queue, query: &str) -> JoinHandle<Answer> {
    let (queue, path) = (queue.clone(), queue.path(&format!("/messages{query}")));
    tokio::spawn(async move { queue.client().get(&path).await })
}

async fn bodies(answer: JoinHandle<Answer>, status: u16) -> Vec<Value> {
    let answer = answer.await.expect("no task panics").expect(status).json();
    let messages = answer["messages"].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| message["body"].clone()).collect()
}

#[tokio::test]
async fn a_waiting_claim_gets_what_is_posted_released_or_falls_due() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.create(json!({})).await;
        let waiting = claim(&orders, 20);
        orders.post(["posted"]).await;
        assert_eq!(bodies(waiting, 201).await, ["posted"]);

        orders.post(["released"]).await;
        let held = orders.claim(1).await;
        let waiting = claim(&orders, 20);
        held.release().await;
        assert_eq!(bodies(waiting, 201).await, ["released"]);

        orders.post_messages(json!([{ "ttl": 300, "delay": 1, "body": "delayed" }])).await;
        assert_eq!(bodies(claim(&orders, 20), 201).await, ["delayed"]);

        let waiting = claim(&orders, 20);
        host.client().get("/v2/ping").await.expect(204);
        orders.post_messages(json!([{ "ttl": 300, "delay": 1, "body": "delayed while it waits" }])).await;
        assert_eq!(bodies(waiting, 201).await, ["delayed while it waits"]);
    }
}

#[tokio::test]
async fn a_waiting_claim_gets_the_first_message_of_a_queue_that_was_not_there() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let waiting = claim(&orders, 20);
        host.client().get("/v2/ping").await.expect(204);
        orders.post(["first"]).await;
        assert_eq!(bodies(waiting, 201).await, ["first"]);

        // And of one that is made anew while it waits.
        let waiting = claim(&orders, 20);
        host.client().delete(&orders.path("")).await.expect(204);
        orders.post(["second"]).await;
        assert_eq!(bodies(waiting, 201).await, ["second"]);
    }
}

#[tokio::test]
async fn a_waiting_listing_gets_what_sorts_after_its_marker() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let ids = orders.post(["old"]).await;
        let after = format!("?echo=true&wait=20&marker={}", ids[0]);
        let (one, two) = (list(&orders, &after), list(&orders, &after));
        let others = list(&orders.seen_by(host.client().with_id(OTHER)), &format!("?wait=20&marker={}", ids[0]));
        let not_mine = list(&orders, &format!("?wait=1&marker={}", ids[0]));
        orders.post(["new"]).await;
        for waiting in [one, two, others] {
            assert_eq!(bodies(waiting, 200).await, ["new"], "every reader gets it");
        }
        assert!(bodies(not_mine, 200).await.is_empty(), "one's own messages are none to wait for without echo");
        let after = format!("?echo=true&include_delayed=true&wait=20&marker={}", orders.post(["newer"]).await[0]);
        let delayed = list(&orders, &after);
        host.client().get("/v2/ping").await.expect(204);
        orders.post_messages(json!([{ "ttl": 300, "delay": 300, "body": "delayed" }])).await;
        assert_eq!(bodies(delayed, 200).await, ["delayed"], "it may be read before it can be claimed");
        let page = orders.list("?echo=true&wait=7").await;
        assert!(page.next.is_some_and(|next| next.contains("wait=7")), "the next page waits as this one did");
    }
}

#[tokio::test]
async fn a_wait_ends_honestly() {
    for store in STORES {
        let host = store.host().start().await;
        let (orders, nowhere) = (host.queue("orders"), host.queue("nowhere"));
        orders.create(json!({})).await;
        for queue in [&orders, &nowhere] {
            let begun = Instant::now();
            assert_eq!(claim(queue, 1).await.expect("no task panics").status, 204);
            assert!(begun.elapsed() >= Duration::from_secs(1), "it has waited");
            assert!(bodies(list(queue, "?wait=1"), 200).await.is_empty());
        }
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_or_no_number_is_refused() {
    let host = STORES[1].host().section("[limits]\nmax_wait = 5").start().await;
    let orders = host.queue("orders");
    for (wait, text) in [
        ("6", "The wait must be at least 0 and no more than 5 seconds."),
        ("-1", "The wait must be at least 0 and no more than 5 seconds."),
        ("soon", "The \"wait\" parameter is invalid. The value must be an integer."),
    ] {
        let claimed = host.client().post(&orders.path(&format!("/claims?wait={wait}")), json!({})).await.expect(400);
        assert_eq!(claimed.json()["description"], text);
        host.client().get(&orders.path(&format!("/messages?wait={wait}"))).await.expect(400);
    }
    assert_eq!(claim(&orders, 0).await.expect("no task panics").status, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_wakes_one_of_many() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.create(json!({})).await;
        let waiting: Vec<_> = (0..200).map(|_| claim(&orders, 20)).collect();
        for batch in 0..20 {
            orders.post(batch * 10..(batch + 1) * 10).await;
        }
        let mut all = Vec::new();
        for waiting in waiting {
            all.extend(bodies(waiting, 201).await.iter().filter_map(Value::as_u64));
        }
        all.sort_unstable();
        assert_eq!(all, (0..200).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_nothing() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.create(json!({})).await;
        for _ in 0..10 {
            let mut socket = tokio::net::TcpStream::connect(host.address()).await.expect("the host listens");
            let request = format!(
                "POST /v2/queues/orders/claims?wait=20 HTTP/1.1\r\nhost: h\r\nclient-id: {CLIENT}\r\n\
                 x-project-id: p1\r\ncontent-length: 0\r\n\r\n"
            );
            socket.write_all(request.as_bytes()).await.expect("the host reads");
            // So that the host has read it: it answers what comes later on another connection.
            host.client().get("/v2/ping").await.expect(204);
            socket.shutdown().await.expect("the socket is open");
            // The host has seen that the client leaves: it closes its end, without an answer.
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).await.expect("the host closes");
            assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
            let posted = orders.post(["m"]).await;
            let got = claim(&orders, 20).await.expect("no task panics").expect(201).json();
            assert_eq!(got["messages"][0]["id"], posted[0].as_str());
            let held = got["messages"][0]["href"].as_str().unwrap_or_default().to_owned();
            host.client().delete(&held).await.expect(204);
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_nothing_whatever_it_sent_behind() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.create(json!({})).await;
        for behind in ["\r\n", "G", "GET /v2/ping HTTP/1.1\r\nhost: h\r\n\r\n"] {
            let mut socket = tokio::net::TcpStream::connect(host.address()).await.expect("the host listens");
            let request = format!(
                "POST /v2/queues/orders/claims?wait=20 HTTP/1.1\r\nhost: h\r\nclient-id: {CLIENT}\r\n\
                 x-project-id: p1\r\ncontent-length: 0\r\n\r\n{behind}"
            );
            socket.write_all(request.as_bytes()).await.expect("the host reads");
            host.client().get("/v2/ping").await.expect(204);
            drop(socket);
            let posted = orders.post(["m"]).await;
            let got = claim(&orders, 20).await.expect("no task panics").expect(201).json();
            assert_eq!(got["messages"][0]["id"], posted[0].as_str(), "{behind:?}");
            let held = got["messages"][0]["href"].as_str().unwrap_or_default().to_owned();
            host.client().delete(&held).await.expect(204);
        }
    }
}

#[tokio::test]
async fn waits_end_at_once_when_the_host_does() {
    for store in STORES {
        let mut host = store.host().start().await;
        let orders = host.queue("orders");
        orders.create(json!({})).await;
        let claims: Vec<_> = (0..20).map(|_| claim(&orders, 20)).collect();
        let listing = list(&orders, "?wait=20");
        host.client().get("/v2/ping").await.expect(204);
        let begun = Instant::now();
        host.terminate();
        let mut answered = 0;
        for claim in claims {
            // One that had not reached the host when it stopped listening is refused.
            if let Ok(answer) = claim.await {
                assert_eq!(answer.status, 204);
                answered += 1;
            }
        }
        assert!(answered > 0);
        if listing.await.is_ok_and(|answer| answer.status == 200) {
            answered += 1;
        }
        assert_eq!(host.wait().await.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?} for {answered}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_wait_outlives_the_time_of_other_requests() {
    let host = STORES[1].host().section("[limits]\nrequest_timeout = 1").start().await;
    let orders = host.queue("orders");
    orders.create(json!({})).await;
    assert_eq!(claim(&orders, 2).await.expect("no task panics").status, 204);
    let waiting = claim_many(&orders, 5, 20);
    orders.post(["a", "b"]).await;
    assert_eq!(bodies(waiting, 201).await, ["a", "b"]);
}

#[tokio::test]
async fn a_pool_that_does_not_say_what_becomes_available_is_told_of_once() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let section = "[plugins.misbehaves]\ndoes = \"fail\"\nat = \"hints\"";
    let host = Host::with().plugins(libraries).top("default_pool = \"misbehaves:\"").section(section).start().await;
    let orders = host.queue("orders");
    orders.create(json!({})).await;
    assert_eq!(bodies(claim(&orders, 1), 204).await, Vec::<Value>::new());
    let pages = host.pages();
    let asked_again = async || {
        let asked = Scrape::of(&pages, "/metrics").await.sum("sukkal_store_calls_total", &[("method", "hints")]);
        (asked >= 3.0).then_some(())
    };
    eventually("it is asked again and again", 3 * SOON, asked_again).await;
    assert_eq!(host.log().matches("does not say what becomes available").count(), 1, "{}", host.log());
    let waiting = claim(&orders, 20);
    orders.post(["posted"]).await;
    assert_eq!(bodies(waiting, 201).await, ["posted"], "whoever waits looks now and then");
}

#[tokio::test]
async fn a_wait_goes_on_for_no_longer_than_the_identity_of_who_waits() {
    let libraries = [programs::library("sukkal-memory"), programs::bad_library("misbehaves")];
    let memory = "catalog = \"memory:\"\ndefault_pool = \"memory:\"\npipeline = [\"misbehaves\"]";
    let section = "[filters.misbehaves]\ndoes = \"identifies\"\nat = \"authenticate\"";
    let host = Host::with().plugins(libraries).top(memory).section(section).start().await;
    let client = host.client();
    for (method, path, status) in
        [("POST", "/v2/queues/q/claims?wait=20", 204), ("GET", "/v2/queues/q/messages?wait=20", 200)]
    {
        let begun = Instant::now();
        client.request(method, path).header("x-auth-token", "lasts-1").send().await.expect(status);
        assert!(begun.elapsed() < Duration::from_secs(15), "{method}: {:?}", begun.elapsed());
    }
}
