//! The filters that come with Sukkal.

use std::path::Path;

use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::stores::MEMORY;
use sukkal_tests::{Host, Queue, eventually, programs};

/// Over stores in memory: a post that waits for the disk would leave room for the next one.
const ONE_A_MINUTE: &str = "[filters.rate-limit]\npost = { per_second = 1, burst = 2 }\n";

#[tokio::test]
async fn a_project_that_posts_too_often_is_told_when_to_come_again() {
    let host = MEMORY.host().top("pipeline = [\"rate-limit\"]").section(ONE_A_MINUTE).start().await;
    let (mine, other) = (host.client(), host.client().of_project("p2"));
    let post = async |client: &sukkal_tests::Client| {
        client.post("/v2/queues/q/messages", json!({ "messages": [{ "body": 1 }] })).await
    };
    post(&mine).await.expect(201);
    post(&mine).await.expect(201);
    let refused = post(&mine).await.expect(503);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.json()["title"], "Service temporarily unavailable");
    post(&other).await.expect(201);
    mine.get("/v2/queues/q/messages").await.expect(200);
    eventually("the bucket fills again", SOON, async || (post(&mine).await.status == 201).then_some(())).await;
}

#[tokio::test]
async fn the_status_of_a_rate_limit_can_be_set() {
    let section = format!("{ONE_A_MINUTE}status = 429\n");
    let host = MEMORY.host().top("pipeline = [\"rate-limit\"]").section(&section).start().await;
    for status in [201, 201, 429] {
        let messages = json!({ "messages": [{ "body": 1 }] });
        host.client().post("/v2/queues/q/messages", messages).await.expect(status);
    }
}

#[tokio::test]
async fn the_audit_has_a_line_for_each_request_whatever_came_of_it() {
    let pipeline = "pipeline = [\"audit\", \"rate-limit\"]";
    // It authenticates nobody, so it may be passed over when it fails.
    let passed_over = "[filters.audit]\non_error = \"pass\"";
    let mut host = MEMORY.host().top(pipeline).section(ONE_A_MINUTE).section(passed_over).start().await;
    let client = host.client();
    for status in [201, 201, 503] {
        client.post("/v2/queues/q/messages", json!({ "messages": [{ "body": "secret" }] })).await.expect(status);
    }
    client.get("/v2/nothing").await.expect(404);
    client.request("GET", "/v2/queues").without("X-Project-ID").send().await.expect(400);
    client.get("/v2/queues/q/messages/none").await.expect(404);
    client.put("/v2/topics/q", json!({})).await.expect(201);
    assert!(host.stop().await.success());
    let lines = audit(host.folder());
    let seen: Vec<_> = lines.iter().map(|line| (text(&line["action"]), line["status"].as_u64().unwrap())).collect();
    let due = [
        ("message_post", 201),
        ("message_post", 201),
        ("message_post", 503),
        ("unknown", 404),
        ("queue_list", 400),
        ("message_get", 404),
        ("topic_create", 201),
    ];
    assert_eq!(seen, due.map(|(action, status)| (action.to_owned(), status)));
    assert_eq!((text(&lines[0]["project"]), text(&lines[0]["queue"])), ("p1".to_owned(), "q".to_owned()));
    assert_eq!(text(&lines[5]["item"]), "none");
    // A queue and a topic may have one name.
    assert_eq!((text(&lines[5]["kind"]), text(&lines[6]["kind"])), ("queue".to_owned(), "topic".to_owned()));
    assert_eq!(lines[6]["queue"], lines[5]["queue"]);
    assert!(lines[4].get("kind").is_none(), "it names neither");
    assert!(lines.iter().all(|line| line["time"].as_i64().unwrap() > 0 && line["duration"].is_u64()));
    assert!(!lines.iter().any(|line| line.to_string().contains("secret")), "bodies are not written");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn audit(folder: &Path) -> Vec<Value> {
    let file = std::fs::read_to_string(folder.join("data/audit.jsonl")).expect("the audit");
    file.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[tokio::test]
async fn a_filter_is_kept_to_the_queues_and_actions_that_are_set() {
    let section = "[filters.seal]\nqueues = [\"secret-*\"]\nactions = [\"message_post\"]\n";
    let libraries = [programs::library("sukkal-sqlite"), programs::library("sukkal-example-filter")];
    let host = Host::with().plugins(libraries).top("pipeline = [\"seal\"]").section(section).start().await;
    for (queue, stored) in [("secret-plans", json!("\"uryyb\"")), ("open-plans", json!("hello"))] {
        let queue = host.queue(queue);
        queue.post(["hello"]).await;
        // Reading is not among the actions, so what is stored is seen.
        assert_eq!(queue.list("?echo=true").await.bodies(), [stored]);
    }
}

#[tokio::test]
async fn a_filter_is_kept_to_the_projects_that_are_set() {
    let section = "[filters.seal]\nprojects = [\"p1\", \"p3\"]\nactions = [\"message_post\"]\n";
    let libraries = [programs::library("sukkal-sqlite"), programs::library("sukkal-example-filter")];
    let host = Host::with().plugins(libraries).top("pipeline = [\"seal\"]").section(section).start().await;
    let (sealed, open) = (json!("\"uryyb\""), json!("hello"));
    // A project is meant by its whole name, in its own letters.
    for (project, stored) in [("p1", &sealed), ("p2", &open), ("p3", &sealed), ("p10", &open)] {
        let queue = Queue::new(host.client().of_project(project), "plans");
        queue.post(["hello"]).await;
        assert_eq!(queue.list("?echo=true").await.bodies(), std::slice::from_ref(stored), "{project}");
    }
}

#[tokio::test]
async fn what_a_filter_refuses_one_project_another_may_do() {
    let section = "[filters.misbehaves]\ndoes = \"fail\"\nat = \"request\"\nprojects = [\"p2\"]\n";
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let host = Host::with().plugins(libraries).top("pipeline = [\"misbehaves\"]").section(section).start().await;
    for (project, status) in [("p1", 201), ("p2", 503), ("P2", 201), ("p1", 201)] {
        let client = host.client().of_project(project);
        client.post("/v2/queues/plans/messages", json!({ "messages": [{ "body": 1 }] })).await.expect(status);
    }
}
