//! What becomes of a queue whose Redis refuses its user a command in the middle of a script: what was done before stays.

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::servers::redis::Redis;
use sukkal_tests::{Claim, Host, Queue, eventually};

use crate::redis_failures::over;

/// What scripts write with.
const WRITES: [&str; 11] =
    ["set", "hset", "hdel", "hincrby", "zadd", "zrem", "zpopmin", "incrby", "decrby", "rpush", "unlink"];

/// A server that refuses commands, and a host over it.
struct Refusing {
    redis: Redis,
    host: Host,
}

impl Refusing {
    async fn start() -> Refusing {
        let redis = Redis::in_memory();
        let host = over(&redis.uri()).start().await;
        Refusing { redis, host }
    }

    fn allow(&self, rule: &str) {
        self.redis.ask(&["ACL", "SETUSER", "default", "+@all", rule]).expect("the server answers");
    }

    /// Does something without each of the rights; then with all of them.
    async fn without_each(&self, mut act: impl AsyncFnMut()) {
        for command in WRITES {
            self.allow(&format!("-{command}"));
            act().await;
        }
        self.allow("+@all");
        act().await;
    }

    /// Once all queues are deleted nothing of them is left, nor counted.
    async fn ends_empty(&self, queues: &[&Queue]) {
        for queue in queues {
            queue.client().delete(&queue.path("")).await.expect(204);
        }
        let left = async || {
            let keys = self.redis.ask(&["KEYS", "*"]).expect("the server answers");
            let mut keys: Vec<_> = keys.lines().filter(|key| !key.contains(":k") && !key.starts_with('*')).collect();
            keys.sort_unstable();
            (keys == ["sukkal:probe", "sukkal:store", "sukkal:tags", "sukkal:{000}:n"]).then_some(())
        };
        eventually("nothing is left", SOON, left).await;
        assert_eq!(self.redis.ask(&["GET", "sukkal:{000}:n"]).expect("the server answers"), "0");
    }
}

/// Whatever a request does, it succeeds or the user is refused.
fn done_or_refused(status: u16) -> bool {
    assert!(status < 300 || status == 503, "{status}");
    status < 300
}

async fn try_claim(queue: &Queue, ttl: u64) -> bool {
    let request = json!({ "ttl": ttl, "grace": 60 });
    done_or_refused(queue.client().post(&queue.path("/claims?limit=10"), request).await.status)
}

/// All that is free, deleted on the way.
async fn drained(queue: &Queue) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(claim) = queue.try_claim(10).await {
        all.extend(claim.bodies().iter().filter_map(|body| body.as_str().map(str::to_owned)));
        for place in 0..claim.messages.len() {
            claim.delete(place).await.expect(204);
        }
    }
    all
}

#[tokio::test]
async fn posts_that_are_broken_off_are_stored_once_or_not_at_all() {
    let refusing = Refusing::start().await;
    let queue = refusing.host.queue("q");
    queue.create(json!({})).await;
    let post = async |key: &str| {
        let messages = json!([{ "body": key }, { "body": key, "delay": 1 }]);
        let request = queue.client().request("POST", &queue.path("/messages")).header("idempotency-key", key);
        request.body(json!({ "messages": messages }).to_string()).send().await.status
    };
    let mut keys = Vec::new();
    refusing
        .without_each(async || {
            let key = format!("post-{}", keys.len());
            done_or_refused(post(&key).await);
            // What is refused is not seen.
            keys.push(key);
        })
        .await;
    for key in &keys {
        assert_eq!(post(key).await, 201);
    }
    let mut bodies: Vec<_> = keys.iter().flat_map(|key| [key.clone(), key.clone()]).collect();
    bodies.sort();
    let counted = async || (queue.counts().await[0] >= bodies.len() as u64).then_some(());
    eventually("all are there", SOON, counted).await;
    let mut there = Vec::new();
    let all_there = async |there: &mut Vec<String>| {
        there.extend(drained(&queue).await);
        (there.len() >= bodies.len()).then_some(())
    };
    eventually("all are free", SOON, async || all_there(&mut there).await).await;
    there.sort();
    assert_eq!(there, bodies);
    refusing.ends_empty(&[&queue]).await;
}

#[tokio::test]
async fn claims_that_are_broken_off_keep_every_message() {
    let refusing = Refusing::start().await;
    let queue = refusing.host.queue("q");
    let mut bodies: Vec<_> = (0..10).map(|number| format!("message-{number}")).collect();
    queue.post(bodies.iter().map(String::as_str)).await;
    let n_messages = bodies.len() as u64;
    let all_free = async || {
        while let Some(claim) = queue.try_claim(10).await {
            claim.release().await;
            if queue.counts().await == [n_messages, 0, n_messages] {
                break;
            }
        }
        assert_eq!(queue.counts().await, [n_messages, 0, n_messages]);
    };
    for command in WRITES {
        let deny = format!("-{command}");
        refusing.allow(&deny);
        let request = json!({ "ttl": 300, "grace": 60 });
        let made = queue.client().post(&queue.path("/claims?limit=10"), request).await;
        refusing.allow("+@all");
        if done_or_refused(made.status) {
            queue.client().delete(made.header("location")).await.expect(204);
        }
        all_free().await;
        let claim = queue.claim(10).await;
        refusing.allow(&deny);
        done_or_refused(claim.renew(400).await.status);
        let released = queue.client().delete(&claim.path()).await.status;
        refusing.allow("+@all");
        if !done_or_refused(released) {
            claim.release().await;
        }
        all_free().await;
    }
    let mut there = drained(&queue).await;
    there.sort();
    bodies.sort();
    assert_eq!(there, bodies);
    refusing.ends_empty(&[&queue]).await;
}

#[tokio::test]
async fn deletions_that_are_broken_off_can_be_repeated() {
    let refusing = Refusing::start().await;
    let queue = refusing.host.queue("q");
    for command in WRITES {
        let ids = queue.post(["free", "claimed"]).await;
        let claim = queue.claim(10).await;
        claim.release().await;
        let claim = queue.claim(1).await;
        refusing.allow(&format!("-{command}"));
        done_or_refused(queue.delete(&ids[1]).await.status);
        done_or_refused(claim.delete(0).await.status);
        refusing.allow("+@all");
        queue.delete(&ids[1]).await.expect(204);
        claim.delete(0).await;
        assert!(drained(&queue).await.is_empty(), "{command}");
        claim.release().await;
        assert!(drained(&queue).await.is_empty(), "{command}");
    }
    refusing.ends_empty(&[&queue]).await;
}

#[tokio::test]
async fn delays_whose_end_is_broken_off_end_later() {
    let refusing = Refusing::start().await;
    let queue = refusing.host.queue("q");
    queue.create(json!({})).await;
    for command in WRITES {
        queue.post_messages(json!([{ "body": command, "ttl": 3600, "delay": 1 }])).await;
        refusing.allow(&format!("-{command}"));
        let met = async || {
            let page = queue.client().get(&queue.path("/messages?echo=true")).await;
            (!done_or_refused(page.status) || page.text().contains(command)).then_some(())
        };
        eventually("it falls due", SOON, met).await;
        refusing.allow("+@all");
        let free = async || {
            let claim = queue.try_claim(10).await?;
            assert_eq!(claim.bodies(), [command]);
            claim.delete(0).await.expect(204);
            Some(())
        };
        eventually("it is free", SOON, free).await;
    }
    refusing.ends_empty(&[&queue]).await;
}

#[tokio::test]
async fn dead_letters_that_are_broken_off_arrive_once() {
    let refusing = Refusing::start().await;
    let (letters, other) = (refusing.host.queue("letters"), refusing.host.queue("other"));
    let rule = json!({ "_max_claim_count": 1, "_dead_letter_queue": "letters" });
    other.create(rule.clone()).await;
    let mut queues = vec![other];
    for command in WRITES {
        // Its rule is there, whatever broke off when it was made.
        let queue = refusing.host.queue(&format!("of-{command}"));
        refusing.allow(&format!("-{command}"));
        done_or_refused(queue.client().put(&queue.path(""), rule.clone()).await.status);
        refusing.allow("+@all");
        done_or_refused(queue.client().put(&queue.path(""), rule.clone()).await.status);
        queue.post([command]).await;
        let claim: Claim = queue.claim(1).await;
        refusing.allow(&format!("-{command}"));
        done_or_refused(queue.client().delete(&claim.path()).await.status);
        for _ in 0..3 {
            try_claim(&queue, 300).await;
        }
        refusing.allow("+@all");
        queue.client().delete(&claim.path()).await;
        let mut arrived = Vec::new();
        eventually("it arrives", SOON, async || {
            arrived.extend(drained(&letters).await);
            (!arrived.is_empty()).then_some(())
        })
        .await;
        assert_eq!(arrived, [command]);
        assert!(drained(&queue).await.is_empty() && drained(&letters).await.is_empty());
        queues.push(queue);
    }
    let all: Vec<_> = queues.iter().chain([&letters]).collect();
    refusing.ends_empty(&all).await;
}

#[tokio::test]
async fn a_queue_whose_deletion_is_broken_off_is_deleted_later() {
    let refusing = Refusing::start().await;
    for command in WRITES {
        let queue = refusing.host.queue(&format!("of-{command}"));
        queue.post(0..10).await;
        queue.claim(5).await;
        refusing.allow(&format!("-{command}"));
        done_or_refused(queue.client().delete(&queue.path("")).await.status);
        let met = async || {
            let denied = refusing.redis.ask(&["ACL", "LOG"]).expect("the server answers").contains(command);
            let queues = refusing.redis.ask(&["ZCARD", "sukkal:{000}:q"]).expect("the server answers");
            (denied || queues == ":0").then_some(())
        };
        eventually(&format!("that is dropped, or refused without {command}"), SOON, met).await;
        refusing.allow("+@all");
    }
    refusing.ends_empty(&[]).await;
}
