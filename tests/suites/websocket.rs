//! The websocket: the vectors of the specification, and what such connections get wrong.

use serde_json::{Value, json};
use sukkal_tests::described::AsyncApi;
use sukkal_tests::eventually::SOON;
use sukkal_tests::servers::Postgres;
use sukkal_tests::shared::Shared;
use sukkal_tests::stores::{STORES, Store};
use sukkal_tests::vectors::{Placeholders, read};
use sukkal_tests::ws::{Frame, Socket, packed, request};
use sukkal_tests::{Host, Scrape, eventually};

#[tokio::test]
async fn one_long_session() {
    for store in STORES {
        one_long_session_over(store).await;
    }
}

pub async fn one_long_session_over(store: Store) {
    let host = store.host().start().await;
    let described = AsyncApi::of(&host.client()).await;
    let mut socket = host.websocket().await;
    let mut placeholders = Placeholders::default();
    let mut faults = Vec::new();
    let steps = read("websocket.json", "steps");
    for (number, step) in steps.iter().enumerate() {
        let sent = send(&mut socket, &placeholders, step).await;
        let answer = match (socket.next().await, step["binary"] == true) {
            (Frame::Text(answer), false) | (Frame::Binary(answer), true) => answer,
            (other, _) => panic!("step {number}: {other:?} where an answer to {sent} is due"),
        };
        faults.extend(described.faults(&sent, &answer).into_iter().map(|fault| format!("step {number}: {fault}")));
        let due = due(step, &sent);
        let answer = with_own_subscriptions(answer, |one| {
            if one["subscriber"].as_str().is_some_and(|text| text.starts_with("websocket://")) {
                one["subscriber"] = json!(THIS);
            }
        });
        // What follows "request. " is free.
        let texts = [&due, &answer].map(|answer| answer["body"]["error"].as_str().unwrap_or_default().to_owned());
        let is_free = texts[0].starts_with("Can't decode ");
        let (due, answer) = if is_free { (cut(due), cut(answer)) } else { (due, answer) };
        faults.extend(placeholders.compare(&format!("step {number}, {sent}: "), &due, &answer).err());
    }
    assert!(faults.is_empty(), "{} fault(s):\n{}", faults.len(), faults.join("\n"));
    assert_eq!(steps.len(), 102, "no step is left out unnoticed");
}

/// What the vectors call the connection as a subscriber.
const THIS: &str = "<this connection>";

/// Does something to each subscription that an answer shows.
fn with_own_subscriptions(mut answer: Value, change: impl Fn(&mut Value)) -> Value {
    let body = &mut answer["body"];
    if let Some(all) = body.get_mut("subscriptions").and_then(Value::as_array_mut) {
        all.iter_mut().for_each(&change);
    } else if body.get("subscriber").is_some() {
        change(body);
    }
    answer
}

/// Sends the frame of a step; tells what was sent.
async fn send(socket: &mut Socket, placeholders: &Placeholders, step: &Value) -> Value {
    if let Some(text) = step["send_text"].as_str() {
        socket.text(text).await;
        return serde_json::from_str(text).unwrap_or_default();
    }
    if let Some(hex) = step["send_hex"].as_str() {
        socket.binary(vec![u8::from_str_radix(hex, 16).expect("one byte")]).await;
        return Value::Null;
    }
    let sent: Value = serde_json::from_str(&placeholders.fill(&step["send"].to_string())).expect("a request");
    match step["binary"] == true {
        true => socket.binary(packed(&sent)).await,
        false => socket.text(sent.to_string()).await,
    };
    sent
}

/// The whole answer that is due: the vectors name what is sent back only where it is unusual.
fn due(step: &Value, sent: &Value) -> Value {
    let reply = if step["sukkal"].is_null() { &step["reply"] } else { &step["sukkal"] };
    let mut due = reply.clone();
    if due["request"].is_null() {
        let piece = |key: &str| sent.get(key).cloned().unwrap_or_else(|| json!({}));
        due["request"] = match sent["action"] == "authenticate" {
            true => json!({ "action": "authenticate", "body": {}, "headers": {}, "api": "v2" }),
            false => {
                json!({ "action": sent["action"], "body": piece("body"), "headers": piece("headers"), "api": "v2" })
            }
        };
    }
    due
}

fn cut(mut answer: Value) -> Value {
    let text = answer["body"]["error"].as_str().unwrap_or_default();
    answer["body"]["error"] = json!(text.split_inclusive("request. ").next());
    answer
}

#[tokio::test]
async fn what_a_connection_subscribes_to_ends_with_it() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        for queue in ["a", "b"] {
            let made = socket.ask("subscription_create", json!({ "queue_name": queue, "subscriber": "" })).await;
            assert!(made.expect(201).body()["subscription_id"].is_string());
        }
        let another = json!({ "queue_name": "a", "subscriber": "mailto:someone@example.org" });
        socket.ask("subscription_create", another).await.expect(201);
        let subscribers = async |queue: &str| {
            let page = host.client().get(&format!("/v2/queues/{queue}/subscriptions")).await.expect(200).json();
            let all = page["subscriptions"].as_array().cloned().unwrap_or_default();
            all.iter().map(|one| one["subscriber"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let [both, one] = [subscribers("a").await, subscribers("b").await];
        assert_eq!((both.len(), one.len()), (2, 1));
        assert!(both.contains(&one[0]), "one connection is one subscriber");
        drop(socket);
        eventually("the connection's subscriptions are gone", SOON, async || {
            let left = [subscribers("a").await, subscribers("b").await];
            (left == [vec!["mailto:someone@example.org".to_owned()], vec![]]).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_connection_subscribes_to_ends_with_its_host() {
    let shared = Shared::postgresql_and_redis().await;
    let [mut killed, other] = shared.pair().await;
    let mut socket = killed.websocket().await;
    socket.ask("subscription_create", json!({ "queue_name": "q" })).await.expect(201);
    let another = json!({ "queue_name": "q", "subscriber": "mailto:someone@example.org" });
    socket.ask("subscription_create", another).await.expect(201);
    let subscribers = async |host: &Host, limit: u32| {
        let path = format!("/v2/queues/q/subscriptions?limit={limit}");
        let page = host.client().get(&path).await.expect(200).json();
        page["subscriptions"].as_array().map_or(0, Vec::len)
    };
    assert_eq!([subscribers(&killed, 10).await, subscribers(&other, 10).await], [2, 2]);
    killed.kill();
    let gone = async || (subscribers(&other, 10).await == 1).then_some(());
    eventually("its subscription is gone", SOON * 6, gone).await;
    assert_eq!(subscribers(&other, 1).await, 1, "a page passes over those that are gone");
    killed.start_again().await;
    assert_eq!(subscribers(&killed, 10).await, 1);
}

#[tokio::test]
async fn what_a_connection_subscribes_to_ends_with_it_though_the_catalog_stands_still_just_then() {
    let postgres = Postgres::start().await;
    let catalog = Store::sql("postgres", &postgres.uri());
    let host = catalog.host().section("[plugins.sql]\ntimeout = 1").start().await;
    let mut socket = host.websocket().await;
    socket.ask("subscription_create", json!({ "queue_name": "q" })).await.expect(201);
    postgres.server.freeze();
    drop(socket);
    let told = async || host.log().contains("subscriptions outlive their connection for a while").then_some(());
    eventually("the host cannot end it yet", SOON * 2, told).await;
    postgres.server.thaw();
    eventually("the subscription is gone", SOON, async || {
        let page = host.client().get("/v2/queues/q/subscriptions").await;
        (page.status == 200 && page.json()["subscriptions"] == json!([])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn frames_that_are_no_requests_are_refused_in_their_encoding() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        for text in
            ["5", "[]", "\"x\"", "null", "{", "", "{\"action\":5}", "{\"action\":\"queue_list\",\"headers\":[]}"]
        {
            socket.text(text).await;
            let answer = socket.answer().await.expect(400);
            assert!(answer.body()["error"].is_string(), "{text}: {answer:?}");
        }
        for bytes in [
            vec![],
            vec![0xc1],
            vec![0xff; 100],
            vec![0x81, 0xa1],
            vec![0x91, 0xc4, 0x01, 0x00],
            vec![0xdd, 0xff, 0xff, 0xff, 0xff],
            [packed(&request("queue_list", &json!({}))), vec![0xc0]].concat(),
        ] {
            socket.binary(bytes.clone()).await;
            match socket.next().await {
                Frame::Binary(answer) => assert_eq!(answer["headers"]["status"], 400, "{bytes:x?}"),
                other => panic!("{bytes:x?}: {other:?}"),
            }
        }
        socket.ask("queue_list", json!({})).await.expect(200);
        socket.ask_packed("queue_list", json!({})).await.expect(200);
    }
}

#[tokio::test]
async fn deleting_by_count_takes_the_oldest() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        let ids = host.queue("q").post(["a", "b", "c", "d"]).await;
        let popped = socket.ask("message_delete_many", json!({ "queue_name": "q", "pop": 2 })).await.expect(200);
        let bodies = popped.body()["messages"].as_array().into_iter().flatten().map(|message| &message["body"]);
        assert_eq!(bodies.collect::<Vec<_>>(), ["a", "b"]);
        let one = json!({ "queue_name": "q", "message_ids": [ids[2]] });
        socket.ask("message_delete_many", one).await.expect(204);
        for refused in [
            json!({ "queue_name": "q", "message_ids": [ids[3]], "pop": 1 }),
            json!({ "queue_name": "q" }),
            json!({ "queue_name": "q", "pop": 0 }),
        ] {
            socket.ask("message_delete_many", refused).await.expect(400);
        }
        assert_eq!(host.queue("q").counts().await, [1, 0, 1]);
    }
}

#[tokio::test]
async fn asking_a_queue_that_is_not_there_does_not_make_it() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        let id = host.queue("other").post(["a"]).await.remove(0);
        for (action, more, status) in [
            ("claim_create", json!({}), 204),
            ("message_list", json!({}), 200),
            ("message_delete_many", json!({ "pop": 1 }), 200),
            ("message_delete", json!({ "message_id": id }), 204),
            ("message_delete_many", json!({ "message_ids": [id] }), 204),
            ("message_get_many", json!({ "message_ids": [id] }), 200),
            ("message_get", json!({ "message_id": id }), 404),
            ("claim_get", json!({ "claim_id": "c" }), 404),
            ("queue_get_stats", json!({}), 404),
            ("queue_purge", json!({}), 204),
        ] {
            let mut body = more;
            body["queue_name"] = json!("none");
            socket.ask(action, body).await.expect(status);
        }
        host.client().request("HEAD", "/v2/queues/none").send().await.expect(404);
    }
}

/// What the vectors do not show: fields that core words anew, and those that REST has elsewhere.
#[tokio::test]
async fn each_action_has_its_own_words() {
    let host = Host::with().section("[api]\nenable_checksum = true").start().await;
    let mut socket = host.websocket().await;
    let queue = host.queue("q");
    let ids = queue.post(["a", "b"]).await;
    let claim = queue.claim(1).await;
    let other = queue.claim(1).await;
    let stats = socket.ask("queue_get_stats", json!({ "queue_name": "q" })).await.expect(200);
    let messages = &stats.body()["messages"];
    assert_eq!((&messages["total"], &messages["oldest"]["id"]), (&json!(2), &json!(ids[0])));
    assert!(messages["oldest"]["href"].is_null() && messages["newest"]["created"].is_string(), "{stats:?}");
    let mut delete = async |claim: &str| {
        let body = json!({ "queue_name": "q", "message_id": ids[0], "claim_id": claim });
        socket.ask("message_delete", body).await
    };
    let refused = delete(&other.id).await.expect(403);
    assert_eq!(refused.body()["exception"], format!("Message {} is not claimed by {}", ids[0], other.id));
    delete(&claim.id).await.expect(204);
    let listed = socket.ask("message_list", json!({ "queue_name": "q", "include_claimed": true, "echo": true })).await;
    let message = &listed.body()["messages"][0];
    assert_eq!((&message["claim_id"], &message["body"]), (&json!(other.id), &json!("b")));
    assert!(message["checksum"].as_str().is_some_and(|sum| sum.starts_with("MD5:")), "{message}");
    socket.ask("ping_node", json!({})).await.expect(204);
    let home = socket.ask("get_home_doc", json!({})).await.expect(200);
    assert!(home.body()["resources"]["rel/queues"].is_object());
    socket.ask("check_node_health", json!({})).await.expect(404);
    let delayed = json!({ "queue_name": "late", "messages": [{ "body": 1, "delay": 900 }] });
    socket.ask("message_post", delayed).await.expect(201);
    let listed = socket.ask("message_list", json!({ "queue_name": "late", "echo": true })).await.expect(200);
    assert_eq!(listed.body(), &json!({ "messages": [] }));
}

#[tokio::test]
async fn what_is_posted_in_one_encoding_is_read_in_the_other() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        let bodies = json!([null, true, 1, -9223372036854775808_i64, 1.5, "é\n\"", [[], {}], { "a": { "b": [1.0] } }]);
        let messages: Vec<_> = bodies.as_array().unwrap().iter().map(|body| json!({ "body": body })).collect();
        let post = json!({ "queue_name": "q", "messages": messages });
        socket.ask_packed("message_post", post.clone()).await.expect(201);
        socket.ask("message_post", post).await.expect(201);
        let list = json!({ "queue_name": "q", "echo": true, "limit": 20 });
        let both = [socket.ask("message_list", list.clone()).await, socket.ask_packed("message_list", list).await];
        for listed in both {
            let found = listed.expect(200).body()["messages"].as_array().cloned().unwrap_or_default();
            let found: Vec<_> = found.iter().map(|message| message["body"].clone()).collect();
            let due = [bodies.as_array().unwrap().clone(), bodies.as_array().unwrap().clone()].concat();
            assert_eq!(found, due);
        }
        let read = host.client().get("/v2/queues/q/messages?echo=true&limit=1").await.expect(200);
        assert_eq!(read.json()["messages"][0]["body"], Value::Null);
    }
}

/// Sent without waiting for any answer: each sees what those before it did, and answers come in order.
#[tokio::test]
async fn requests_sent_together_take_effect_and_are_answered_in_order() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        let post = |queue: &str, body: usize| {
            request("message_post", &json!({ "queue_name": queue, "messages": [{ "body": body }] }))
        };
        let mut sent = Vec::new();
        for number in 0..60 {
            sent.push(post(["a", "b", "c"][number % 3], number));
            if number % 20 == 19 {
                sent.push(request("queue_get_stats", &json!({ "queue_name": "a" })));
                sent.push(request("queue_list", &json!({})));
                sent.push(request("message_delete_many", &json!({ "queue_name": "a", "pop": 1 })));
            }
        }
        for frame in &sent {
            socket.text(frame.to_string()).await;
        }
        let (mut totals, mut popped) = (Vec::new(), Vec::new());
        for frame in &sent {
            let answer = socket.answer().await;
            assert_eq!(answer.0["request"]["body"], frame["body"], "answers keep the order of requests");
            match frame["action"].as_str() {
                Some("queue_get_stats") => totals.push(answer.expect(200).body()["messages"]["total"].clone()),
                Some("queue_list") => {
                    assert_eq!(answer.expect(200).body()["queues"].as_array().map(Vec::len), Some(3));
                }
                Some("message_delete_many") => popped.push(answer.expect(200).body()["messages"][0]["body"].clone()),
                _ => drop(answer.expect(201)),
            }
        }
        assert_eq!((totals, popped), (vec![json!(7), json!(13), json!(18)], vec![json!(0), json!(3), json!(6)]));
        let listed =
            socket.ask("message_list", json!({ "queue_name": "b", "echo": true, "limit": 20 })).await.expect(200);
        let bodies: Vec<_> =
            listed.body()["messages"].as_array().unwrap().iter().map(|message| message["body"].clone()).collect();
        assert_eq!(bodies, (0..20).map(|number| json!(3 * number + 1)).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn who_waits_holds_up_nobody_who_brings_what_is_waited_for() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        socket.text(request("claim_create", &json!({ "queue_name": "q", "wait": 20 })).to_string()).await;
        let post = json!({ "queue_name": "q", "messages": [{ "body": "at last" }] });
        socket.text(request("message_post", &post).to_string()).await;
        let claimed = socket.answer().await.expect(201);
        assert_eq!(claimed.body()["messages"][0]["body"], "at last");
        socket.answer().await.expect(201);
    }
}

#[tokio::test]
async fn who_waits_and_goes_away_takes_nothing() {
    for store in STORES {
        let host = store.host().start().await;
        let mut waiter = host.websocket().await;
        waiter.text(request("claim_create", &json!({ "queue_name": "q", "wait": 20 })).to_string()).await;
        // It has been read, since an answer to what follows it is worked on.
        waiter.text(request("queue_create", &json!({ "queue_name": "seen" })).to_string()).await;
        let client = host.client();
        eventually("the host has read the poll", SOON, async || {
            (client.request("HEAD", "/v2/queues/seen").send().await.status == 204).then_some(())
        })
        .await;
        drop(waiter);
        let is_over = async || {
            let seen = Scrape::of(&host.pages(), "/metrics").await;
            (seen.sum("sukkal_requests_in_flight", &[("transport", "websocket")]) == 0.0).then_some(())
        };
        eventually("its poll is over", SOON, is_over).await;
        let queue = host.queue("q");
        queue.post(["a"]).await;
        assert_eq!(queue.claim(1).await.bodies(), ["a"]);
    }
}

#[tokio::test]
async fn filters_see_what_comes_over_the_websocket() {
    let limit = "[filters.rate-limit]\ndefault = { per_second = 1, burst = 2 }";
    let host = Host::with().top("pipeline = [\"audit\", \"rate-limit\"]").section(limit).start().await;
    let mut socket = host.websocket().await;
    let mut refused = None;
    for _ in 0..10 {
        let answer = socket.ask("queue_list", json!({})).await;
        refused = (answer.status() != 200).then_some(answer).or(refused);
    }
    let refused = refused.expect("the limit is reached");
    assert!(refused.body()["exception"].is_string(), "{refused:?}");
    socket.text("[]").await;
    socket.answer().await.expect(400);
    let due = [r#""transport":"websocket","action":"queue_list""#, r#""transport":"websocket","action":"unknown""#];
    eventually("the audit has a line of each", SOON, async || {
        let audit = std::fs::read_to_string(host.folder().join("data/audit.jsonl")).unwrap_or_default();
        due.iter().all(|line| audit.contains(line)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_an_identity_service_everybody_may_authenticate_and_nobody_needs_to() {
    let host = Host::start().await;
    let mut socket = host.websocket().await;
    let authenticate =
        json!({ "action": "authenticate", "headers": { "X-Auth-Token": "s3cret", "X-Project-ID": "p1" } });
    socket.text(authenticate.to_string()).await;
    assert_eq!(
        socket.answer().await.0,
        json!({
            "request": { "action": "authenticate", "body": {}, "headers": {}, "api": "v2" },
            "headers": { "status": 200 },
            "body": { "message": "Authentified." },
        })
    );
    let mut list = request("queue_list", &json!({}));
    list["headers"]["URL-Signature"] = json!("s3cret");
    socket.text(list.to_string()).await;
    let answer = socket.answer().await.expect(200);
    assert!(!answer.0.to_string().contains("s3cret"), "{answer:?}");
    assert!(!host.log().contains("s3cret"));
}
