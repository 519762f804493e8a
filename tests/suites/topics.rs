//! Topics: broadcast points beside the queues, with messages of their own.

use serde_json::{Value, json};
use sukkal_tests::rest::OTHER;
use sukkal_tests::stores::STORES;

#[tokio::test]
async fn a_topic_and_a_queue_of_one_name_have_nothing_in_common() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let queue = host.queue("news");
        queue.create(json!({ "whose": "the queue's" })).await;
        queue.post(["in the queue"]).await;
        let made = client.put("/v2/topics/news", json!({ "whose": "the topic's" })).await.expect(201);
        assert_eq!(made.header("location"), "/v2/topics/news");
        client.put("/v2/topics/news", json!({})).await.expect(204);
        client.request("HEAD", "/v2/topics/news").send().await.expect(204);
        let body = json!({ "messages": [{ "body": "in the topic" }] });
        let posted = client.post("/v2/topics/news/messages", body).await.expect(201);
        let resource = posted.json()["resources"][0].as_str().unwrap_or_default().to_owned();
        assert!(resource.starts_with("/v2/topics/news/messages/"), "{resource}");
        let page = client.with_id(OTHER).get("/v2/topics/news/messages?limit=5").await.expect(200).json();
        assert_eq!(page["messages"][0]["body"], "in the topic");
        assert_eq!(page["messages"][0]["href"], resource.as_str());
        let next = page["links"][0]["href"].as_str().unwrap_or_default();
        assert!(next.starts_with("/v2/topics/news/messages?limit=5&marker="), "{next}");
        assert_eq!(client.get(&resource).await.expect(200).json()["body"], "in the topic");
        let id = resource.rsplit('/').next().unwrap_or_default();
        queue.get(id).await.expect(404);
        assert_eq!(queue.list("?echo=true").await.bodies(), ["in the queue"]);
        assert_eq!(client.get("/v2/topics/news").await.expect(200).json()["whose"], "the topic's");
        client.delete("/v2/topics/news").await.expect(204);
        client.get(&resource).await.expect(404);
        client.request("HEAD", "/v2/topics/news").send().await.expect(404);
        assert_eq!(client.get("/v2/queues/news").await.expect(200).json()["whose"], "the queue's");
        assert_eq!(queue.counts().await, [1, 0, 1]);
    }
}

#[tokio::test]
async fn topics_are_listed_and_described_as_queues_are() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        host.queue("a-queue").create(json!({})).await;
        for number in 0..12 {
            client.put(&format!("/v2/topics/t{number:02}"), json!({ "node": number % 2 })).await.expect(201);
        }
        let mut names = Vec::new();
        let mut path = "/v2/topics?limit=4&node=1".to_owned();
        loop {
            let page = client.get(&path).await.expect(200).json();
            let topics = page["topics"].as_array().cloned().unwrap_or_default();
            names.extend(topics.iter().filter_map(|topic| topic["name"].as_str().map(str::to_owned)));
            match page["links"][0]["href"].as_str() {
                Some(next) => path = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(names, ["t01", "t03", "t05", "t07", "t09", "t11"]);
        let page = client.get("/v2/topics?limit=4&with_count=true").await.expect(200).json();
        assert_eq!(page["count"], Value::Null, "topics are not counted");
        assert_eq!(page["topics"].as_array().map(Vec::len), Some(4), "and not selected by that either");
        client.get("/v2/topics?with_count=2").await.expect(400);
        let detailed = client.get("/v2/topics?limit=1&detailed=true").await.expect(200).json();
        let reserved = json!({
            "node": 0,
            "_max_messages_post_size": 262_144,
            "_default_message_ttl": 3600,
            "_default_message_delay": 0
        });
        let shown = json!([{ "name": "t00", "href": "/v2/topics/t00", "metadata": reserved }]);
        assert_eq!(detailed["topics"], shown);
        let theirs = host.client().of_project("p2").get("/v2/topics").await.expect(200).json();
        assert_eq!(theirs, json!({ "topics": [], "links": [] }));
        let page = client.get("/v2/topics?marker=zzz").await.expect(200).json();
        assert_eq!(page["topics"], json!([]));
    }
}

#[tokio::test]
async fn metadata_of_a_topic_are_checked_and_patched() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let patch = async |change: Value| client.patch("/v2/topics/news", json!([change])).await;
        let ttl = "/metadata/_default_message_ttl";
        let missing = patch(json!({ "op": "add", "path": ttl, "value": 120 })).await.expect(404).json();
        assert_eq!(missing["description"], "Topic news does not exist for project p1");
        client.put("/v2/topics/news", json!({ "_default_message_ttl": 59 })).await.expect(400);
        client.put("/v2/topics/news", json!({})).await.expect(201);
        let set = patch(json!({ "op": "replace", "path": ttl, "value": 120 })).await.expect(200).json();
        assert_eq!(set["_default_message_ttl"], 120);
        // What only queues have is a key like any other here.
        patch(json!({ "op": "remove", "path": "/metadata/_max_claim_count" })).await.expect(409);
        let body = json!({ "messages": [{ "body": 1 }] });
        client.post("/v2/topics/news/messages", body).await.expect(201);
        let page = client.get("/v2/topics/news/messages?echo=true").await.expect(200).json();
        assert_eq!(page["messages"][0]["ttl"], 120);
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(65_536));
        let refused = client.request("PUT", "/v2/topics/long").body(long).send().await.expect(400).json();
        assert_eq!(refused["description"], "Topic metadata is too large. Max size: 65536");
    }
}

#[tokio::test]
async fn a_topic_is_emptied_and_counted() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let none = json!({ "messages": { "claimed": 0, "free": 0, "total": 0 } });
        assert_eq!(client.get("/v2/topics/news/stats").await.expect(200).json(), none);
        let bodies: Vec<_> = (0..30).map(|number| json!({ "body": number })).collect();
        let posted = client.post("/v2/topics/news/messages", json!({ "messages": bodies })).await.expect(201).json();
        let stats = client.get("/v2/topics/news/stats").await.expect(200).json();
        assert_eq!((&stats["messages"]["free"], &stats["messages"]["total"]), (&json!(30), &json!(30)));
        assert_eq!(stats["messages"]["oldest"]["href"], posted["resources"][0]);
        let popped = client.delete("/v2/topics/news/messages?pop=2").await.expect(200).json();
        assert_eq!(popped["messages"][1]["body"], 1);
        client.post("/v2/topics/news/purge", json!({ "resource_types": ["messages"] })).await.expect(204);
        assert_eq!(client.get("/v2/topics/news/stats").await.expect(200).json(), none);
        client.get("/v2/topics/news").await.expect(200);
    }
}

#[tokio::test]
async fn a_topic_has_no_claims_and_is_not_shared() {
    let host = sukkal_tests::Host::start().await;
    let client = host.client();
    client.put("/v2/topics/news", json!({})).await.expect(201);
    for (method, path) in [
        ("POST", "/v2/topics/news/claims"),
        ("GET", "/v2/topics/news/claims/c"),
        ("POST", "/v2/topics/news/share"),
        ("GET", "/v2/topics/news/"),
    ] {
        assert_eq!(client.request(method, path).send().await.expect(404).json(), json!({ "title": "404 Not Found" }));
    }
    let wrong = client.post("/v2/topics/news", json!({})).await.expect(405);
    assert_eq!(wrong.header("allow"), "GET, PUT, PATCH, DELETE, HEAD, OPTIONS");
    let nameless = client.get("/v2/topics/").await.expect(400).json();
    assert_eq!(nameless["title"], "Invalid topic identification");
    let nameless = client.get("/v2/topics//messages/m").await.expect(400).json();
    assert_eq!(nameless["title"], "Invalid topic identification");
}
