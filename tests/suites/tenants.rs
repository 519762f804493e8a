//! Tenants: no byte of one project is ever seen by another.

use serde_json::json;
use sukkal_tests::stores::STORES;

#[tokio::test]
async fn one_name_in_two_projects_is_two_queues() {
    for store in STORES {
        let host = store.host().start().await;
        let ours = host.queue("orders");
        let theirs = ours.seen_by(host.client().of_project("p2"));
        ours.create(json!({ "whose": "ours" })).await;
        let ids = ours.post(["secret"]).await;
        assert!(theirs.list("?echo=true&include_claimed=true&include_delayed=true").await.messages.is_empty());
        assert!(theirs.try_claim(1).await.is_none());
        assert!(theirs.pop(1).await.is_empty());
        assert_eq!(theirs.counts().await, [0, 0, 0]);
        theirs.create(json!({ "whose": "theirs" })).await;
        theirs.post(["other"]).await;
        theirs.get(&ids[0]).await.expect(404);
        theirs.client().get(&theirs.path(&format!("/messages?ids={}", ids[0]))).await.expect(404);
        theirs.delete(&ids[0]).await.expect(204);
        theirs.client().delete(&theirs.path(&format!("/messages?ids={}", ids[0]))).await.expect(204);
        theirs.client().request("POST", &theirs.path("/purge")).send().await.expect(204);
        theirs.client().delete("/v2/queues/orders").await.expect(204);
        assert_eq!(ours.list("?echo=true").await.bodies(), ["secret"]);
        assert_eq!(ours.client().get("/v2/queues/orders").await.expect(200).json()["whose"], "ours");
    }
}

#[tokio::test]
async fn a_claim_is_known_in_its_own_queue_alone() {
    for store in STORES {
        let host = store.host().start().await;
        let ours = host.queue("orders");
        ours.post(["secret"]).await;
        let claim = ours.claim(1).await;
        let elsewhere = [host.client().of_project("p2"), host.client()];
        for (client, queue) in elsewhere.iter().zip(["orders", "others"]) {
            let theirs = host.queue(queue).seen_by(client.clone());
            theirs.post(["own"]).await;
            let path = theirs.path(&format!("/claims/{}", claim.id));
            client.get(&path).await.expect(404);
            client.patch(&path, json!({ "ttl": 100 })).await.expect(404);
            client.delete(&path).await.expect(204);
            theirs.delete_claimed(&claim.ids()[0], &claim.id).await.expect(204);
        }
        claim.get().await.expect(200);
        assert_eq!(ours.counts().await, [0, 1, 1]);
    }
}

#[tokio::test]
async fn listings_end_with_ones_own_queues_and_topics() {
    for store in STORES {
        let host = store.host().start().await;
        let ours = host.client();
        let theirs = host.client().of_project("p2");
        for (kind, query) in [("queues", "?limit=1&with_count=true"), ("topics", "?limit=1")] {
            for (client, name) in [(&ours, "a"), (&ours, "b"), (&theirs, "a"), (&theirs, "c"), (&theirs, "d")] {
                client.put(&format!("/v2/{kind}/{name}"), json!({})).await.expect(201);
            }
            let mut names = Vec::new();
            let mut next = Some(format!("/v2/{kind}{query}"));
            while let Some(path) = next {
                let page = ours.get(&path).await.expect(200).json();
                names.extend(page[kind][0]["name"].as_str().map(str::to_owned));
                next = page["links"][0]["href"].as_str().map(str::to_owned);
            }
            assert_eq!(names, ["a", "b"]);
            for marker in ["b", "zzz", "p2/c", "p2%2Fc"] {
                let page = ours.get(&format!("/v2/{kind}?marker={marker}")).await.expect(200).json();
                assert_eq!(page[kind], json!([]), "{kind} {marker}");
            }
        }
        let mut socket = host.websocket().await;
        for (marker, due) in [("", 2), ("a", 1), ("b", 0), ("zzz", 0), ("p2/c", 0)] {
            let listed = socket.ask("queue_list", json!({ "marker": marker })).await.expect(200);
            assert_eq!(listed.body()["queues"].as_array().map(Vec::len), Some(due), "{marker}");
        }
    }
}

#[tokio::test]
async fn foreign_ids_show_nothing_foreign() {
    for store in STORES {
        let host = store.host().start().await;
        let ours = host.queue("orders");
        let theirs = ours.seen_by(host.client().of_project("p2"));
        let ids = ours.post([1, 2, 3]).await;
        theirs.post(["x", "y"]).await;
        assert_eq!(theirs.list(&format!("?echo=true&marker={}", ids[0])).await.bodies(), ["x", "y"]);
    }
}

#[tokio::test]
async fn projects_that_look_alike_are_apart() {
    for store in STORES {
        let host = store.host().start().await;
        for project in ["p", "P", "p ", "p/1", "p%2F1", "{p}", "p\u{e9}"] {
            // A header holds bytes; blanks around them are not part of the value.
            let project = project.trim();
            let queue = host.queue("orders").seen_by(host.client().of_project(project));
            let before = queue.counts().await;
            queue.post([project]).await;
            if before == [0, 0, 0] {
                assert_eq!(queue.list("?echo=true").await.bodies(), [project]);
            }
        }
    }
}
