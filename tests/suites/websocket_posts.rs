//! Posts that are sent over one websocket without waiting for answers are stored together; nobody can
//! tell.

use serde_json::{Value, json};
use sukkal_tests::Host;
use sukkal_tests::rest::OTHER;
use sukkal_tests::stores::STORES;
use sukkal_tests::ws::{Frame, Reply, Socket, packed, request};

/// A post of so many messages to `q`, whose bodies are the post's number.
fn post(number: usize, n_messages: usize) -> Value {
    request("message_post", &json!({ "queue_name": "q", "messages": vec![json!({ "body": number }); n_messages] }))
}

/// Sends all, some as MessagePack, and only then reads the answers.
async fn answers(socket: &mut Socket, frames: &[Value]) -> Vec<Reply> {
    for (number, frame) in frames.iter().enumerate() {
        let sent = match number % 4 {
            3 => socket.binary(packed(frame)).await,
            _ => socket.text(frame.to_string()).await,
        };
        assert!(sent, "the host reads");
    }
    let mut answers = Vec::new();
    for frame in frames {
        let (Frame::Text(answer) | Frame::Binary(answer)) = socket.next().await else { panic!("an answer is due") };
        assert_eq!(answer["request"]["body"], frame["body"], "answers keep the order of requests");
        answers.push(Reply(answer));
    }
    answers
}

/// The bodies and ids of all messages of `q`.
async fn stored(host: &Host) -> (Vec<Value>, Vec<String>) {
    let (mut bodies, mut ids) = (Vec::new(), Vec::new());
    let queue = host.queue("q");
    let mut page = queue.list("?echo=true&limit=20").await;
    while !page.messages.is_empty() {
        bodies.extend(page.bodies());
        ids.extend(page.ids());
        page = queue.next(&page).await;
    }
    (bodies, ids)
}

#[tokio::test]
async fn posts_sent_together_keep_their_order_each_with_its_own_answer() {
    for store in STORES {
        let host = store.host().start().await;
        let mut frames: Vec<Value> = (0..100).map(|number| post(number, 1 + number % 3)).collect();
        for frame in frames.iter_mut().skip(10).step_by(10) {
            frame["headers"]["Client-ID"] = json!(OTHER);
        }
        for number in [25, 50, 51] {
            frames[number]["body"]["messages"] = json!([{ "body": 1, "ttl": -1 }]);
        }
        for number in [30, 60] {
            frames[number]["headers"]["Idempotency-Key"] = json!("once");
            frames[number]["body"] = frames[30]["body"].clone();
        }
        let answers = answers(&mut host.websocket().await, &frames).await;
        let (mut due_bodies, mut due_ids) = (Vec::new(), Vec::new());
        for (number, (frame, answer)) in frames.iter().zip(&answers).enumerate() {
            if [25, 50, 51].contains(&number) {
                assert_eq!(answer.status(), 400, "{number}");
                continue;
            }
            let ids = answer.clone().expect(201).body()["message_ids"].as_array().cloned().unwrap_or_default();
            if number == 60 {
                assert_eq!(answer.body(), answers[30].body(), "the same post again");
                continue;
            }
            due_bodies.extend(sukkal_tests::queue::bodies(frame["body"]["messages"].as_array().unwrap()));
            due_ids.extend(ids.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        assert_eq!(stored(&host).await, (due_bodies, due_ids));
        let others = host.queue("q").seen_by(host.client().with_id(OTHER)).list("?limit=20").await;
        assert!(!others.bodies().contains(&json!(10)), "a client's own messages stay its own");
    }
}

#[tokio::test]
async fn a_post_for_which_there_is_no_room_leaves_room_to_others() {
    let host = Host::with().top("default_pool = \"memory:?max_messages=50\"").start().await;
    let mut frames: Vec<Value> = (0..70).map(|number| post(number, 1)).collect();
    frames[40] = post(40, 20);
    let answers = answers(&mut host.websocket().await, &frames).await;
    let statuses: Vec<u64> = answers.iter().map(Reply::status).collect();
    let due: Vec<u64> = (0..70).map(|number| if number == 40 || number > 50 { 503 } else { 201 }).collect();
    assert_eq!(statuses, due);
    let numbers = (0..=50).filter(|number| *number != 40).map(Value::from).collect::<Vec<_>>();
    assert_eq!(stored(&host).await.0, numbers);
}
