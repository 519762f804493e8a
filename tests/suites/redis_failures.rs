//! What becomes of posts while their Redis ends, stands still or cannot be reached.

use std::process::Command;

use serde_json::json;
use sukkal_tests::batches::{Posters, everything, is_back, is_back_within, post, whole};
use sukkal_tests::crash::{self, End};
use sukkal_tests::eventually::SOON;
use sukkal_tests::host::Setup;
use sukkal_tests::rest::OTHER;
use sukkal_tests::servers::proxy::Proxy;
use sukkal_tests::servers::redis::{FAILOVER, Redis, Watched};
use sukkal_tests::stores::REDIS;
use sukkal_tests::{Answer, Host, Queue, Scrape, eventually};
use tokio::task::JoinHandle;

/// A host over such a pool, with long pages.
pub fn over(uri: &str) -> Setup {
    Host::with().top(&format!("default_pool = {uri:?}")).section("[limits]\nmax_messages_per_page = 1000")
}

#[tokio::test]
async fn batches_are_whole_over_kills_of_the_server() {
    let mut redis = Redis::start();
    let host = over(&redis.uri()).start().await;
    let queue = host.queue("q");
    let posters = Posters::start(&queue, 4);
    for round in 0..3 {
        let before = queue.counts().await[2];
        eventually("some are stored", SOON, async || (queue.counts().await[2] > before).then_some(())).await;
        redis.kill();
        assert_eq!(post(&queue, "while it is away").await, 503);
        redis.start_again();
        is_back(&queue, &format!("after-{round}")).await;
    }
    let stored = posters.end().await;
    whole(&everything(&queue).await, &stored);
}

#[tokio::test]
async fn a_server_that_stands_still_is_answered_for_and_found_again() {
    let redis = Redis::in_memory();
    let host = over(&format!("{}?timeout_ms=1500&connect_timeout_ms=1500", redis.uri())).start().await;
    let queue = host.queue("q");
    assert_eq!(post(&queue, "before").await, 201);
    redis.freeze();
    for number in 0..3 {
        assert_eq!(post(&queue, &format!("frozen-{number}")).await, 503);
    }
    redis.thaw();
    let after = is_back(&queue, "after").await;
    whole(&everything(&queue).await, &["before".to_owned(), after]);
}

#[tokio::test]
async fn a_claim_that_nobody_was_told_of_is_given_back_and_does_not_count() {
    let redis = Redis::in_memory();
    let host = over(&format!("{}?timeout_ms=1500&connect_timeout_ms=1500", redis.uri())).start().await;
    let queue = host.queue("q");
    queue.post(0..3).await;
    redis.freeze();
    let claims = queue.path("/claims?limit=2&claim_count=true");
    queue.client().post(&claims, json!({ "ttl": 300, "grace": 60 })).await.expect(503);
    redis.thaw();
    is_back(&queue, "after").await;
    let all_free = async || (queue.counts().await[1] == 0).then_some(());
    eventually("the claim is given back", SOON, all_free).await;
    let claimed = queue.client().post(&claims, json!({ "ttl": 300, "grace": 60 })).await.expect(201).json();
    assert_eq!((&claimed["messages"][0]["body"], &claimed["messages"][0]["claim_count"]), (&json!(0), &json!(1)));
}

/// A post is refused for this reason alone, which the log tells too, after so many bytes.
async fn refuses_the_user(host: &Host, queue: &Queue, told: &str, logged: usize) {
    let messages = json!({ "messages": [{ "body": 1 }] });
    let refusal = queue.client().post(&queue.path("/messages"), messages).await.expect(503);
    assert!(refusal.text().contains("refuses its user"), "{}", refusal.text());
    let log = host.log();
    assert!(log[logged..].contains(told), "{told}\n{}", &log[logged..]);
}

#[tokio::test]
async fn a_server_that_refuses_the_user_is_answered_for() {
    let redis = Redis::in_memory();
    let allow = |rules: &[&str]| {
        let set = [&["ACL", "SETUSER", "pool", "on", "~*", "&*", "+@all"], rules].concat();
        assert_eq!(redis.ask(&set).expect("the server answers"), "OK");
        redis.ask(&["CLIENT", "KILL", "USER", "pool"]).expect("the server answers");
    };
    allow(&[">secret"]);
    let host = over(&format!("redis://pool:secret@127.0.0.1:{}", redis.port())).start().await;
    let queue = host.queue("q");
    assert_eq!(post(&queue, "before").await, 201);
    let password = "Password authentication failed";
    // Another password; no such user any more; less than the scripts need: to be run, and for what they do.
    let rules: [(&[&str], _); 5] = [
        (&["resetpass", ">other"], password),
        (&["off"], password),
        (&["-evalsha"], "no permissions to run the 'evalsha' command"),
        (&["-zadd"], "can't run this command"),
        (&["resetkeys", "~x"], "no permissions to access one of the keys"),
    ];
    for (rules, told) in rules {
        let logged = host.log().len();
        allow(rules);
        refuses_the_user(&host, &queue, told, logged).await;
        allow(&["resetpass", ">secret"]);
        is_back(&queue, "after").await;
    }
}

#[tokio::test]
async fn a_post_that_the_server_broke_off_is_stored_when_it_is_repeated() {
    let redis = Redis::in_memory();
    let allow = |rule| redis.ask(&["ACL", "SETUSER", "default", "+@all", rule]).expect("the server answers");
    let host = over(&redis.uri()).start().await;
    let queue = host.queue("q");
    queue.create(json!({})).await;
    let post = async || {
        let request = queue.client().request("POST", &queue.path("/messages")).header("idempotency-key", "one");
        request.body(json!({ "messages": [{ "body": "a" }] }).to_string()).send().await
    };
    // What the script does before has been done by then.
    for rule in ["-set", "-hset", "-incrby", "-zadd"] {
        allow(rule);
        post().await.expect(503);
    }
    allow("+@all");
    post().await.expect(201);
    post().await.expect(201);
    assert_eq!(queue.claim(2).await.bodies(), ["a"]);
}

#[tokio::test]
async fn a_server_that_wants_a_password_is_answered_for() {
    let redis = Redis::in_memory();
    let host = over(&redis.uri()).start().await;
    let queue = host.queue("q");
    assert_eq!(post(&queue, "before").await, 201);
    redis.ask(&["ACL", "SETUSER", "admin", "on", "nopass", "~*", "+@all"]).expect("the server answers");
    let administer = |command: &[&str]| {
        let mut ask = Command::new("redis-cli");
        ask.args(["-p", &redis.port().to_string(), "--user", "admin", "--pass", "any"]).args(command);
        assert!(ask.output().expect("redis-cli is installed").status.success());
    };
    administer(&["CONFIG", "SET", "requirepass", "secret"]);
    administer(&["CLIENT", "KILL", "USER", "default"]);
    refuses_the_user(&host, &queue, "Authentication required", 0).await;
    administer(&["CONFIG", "SET", "requirepass", ""]);
    is_back(&queue, "after").await;
}

#[tokio::test]
async fn connections_that_are_cut_are_made_again() {
    let redis = Redis::in_memory();
    let proxy = Proxy::to(redis.port()).await;
    let host = over(&format!("redis://127.0.0.1:{}", proxy.port())).start().await;
    let queue = host.queue("q");
    let posters = Posters::start(&queue, 1);
    for round in 0..5 {
        is_back(&queue, &format!("before-{round}")).await;
        proxy.cut();
        is_back(&queue, &format!("after-{round}")).await;
    }
    let stored = posters.end().await;
    whole(&everything(&queue).await, &stored);
}

/// A queue in a Redis that is reached over a wire, and the wire.
async fn over_a_wire(redis: &Redis) -> (Proxy, Host) {
    let proxy = Proxy::to(redis.port()).await;
    let host = over(&format!("redis://127.0.0.1:{}?timeout_ms=1000", proxy.port())).start().await;
    (proxy, host)
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_acknowledged_and_stored_once() {
    let redis = Redis::in_memory();
    let (proxy, host) = over_a_wire(&redis).await;
    let queue = host.queue("q");
    queue.create(json!({})).await;
    let mut stored = Vec::new();
    for round in 0..20 {
        is_back(&queue, &format!("before-{round}")).await;
        let name = format!("round-{round}");
        proxy.lose_answers(1);
        // It is refused only where the sweep came first, and it was the next connection's answer that was
        // lost: nothing was sent then.
        if post(&queue, &name).await == 201 {
            stored.push(name);
        }
        proxy.lose_answers(0);
    }
    assert!(stored.len() > 10, "{stored:?}");
    is_back(&queue, "after").await;
    whole(&everything(&queue).await, &stored);
}

#[tokio::test]
async fn claims_and_deletes_whose_answers_are_lost_are_made_once() {
    let redis = Redis::in_memory();
    let (proxy, host) = over_a_wire(&redis).await;
    let queue = host.queue("q");
    queue.post(0..10).await;
    for number in 0..10 {
        proxy.lose_answers(1);
        let path = queue.path("/claims?limit=1&claim_count=true");
        let claimed = queue.client().post(&path, json!({ "ttl": 300, "grace": 60 })).await.expect(201).json();
        let message = &claimed["messages"][0];
        assert_eq!((&message["body"], &message["claim_count"]), (&json!(number), &json!(1)));
        assert_eq!(queue.counts().await, [9 - number, 1, 10 - number]);
        let href = message["href"].as_str().expect("it has an address").to_owned();
        proxy.lose_answers(1);
        queue.client().delete(&href).await.expect(204);
        assert_eq!(queue.counts().await, [9 - number, 0, 9 - number]);
    }
}

#[tokio::test]
async fn a_pop_whose_answer_is_lost_takes_out_what_it_hands_out() {
    let redis = Redis::in_memory();
    let (proxy, host) = over_a_wire(&redis).await;
    let queue = host.queue("q");
    queue.post(0..10).await;
    for number in 0..10 {
        proxy.lose_answers(1);
        assert_eq!(queue.pop(1).await[0]["body"], number);
        assert_eq!(queue.counts().await, [9 - number, 0, 9 - number]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_over_a_wire_that_is_cut_again_and_again_are_stored_once() {
    let redis = Redis::in_memory();
    let (proxy, host) = over_a_wire(&redis).await;
    let queue = host.queue("q");
    let posters = Posters::start(&queue, 8);
    for round in 0..40 {
        proxy.cut();
        is_back(&queue, &format!("after-{round}")).await;
    }
    let stored = posters.end().await;
    assert!(!stored.is_empty());
    whole(&everything(&queue).await, &stored);
}

#[tokio::test]
async fn a_wire_that_swallows_everything_is_given_up_and_made_anew() {
    let redis = Redis::in_memory();
    let (proxy, host) = over_a_wire(&redis).await;
    let queue = host.queue("q");
    assert_eq!(post(&queue, "before").await, 201);
    proxy.swallow();
    assert_eq!(post(&queue, "swallowed").await, 503);
    proxy.restore();
    let after = is_back(&queue, "after").await;
    whole(&everything(&queue).await, &["before".to_owned(), after]);
}

#[tokio::test]
async fn who_waits_hears_of_posts_after_the_connection_was_cut() {
    let redis = Redis::in_memory();
    let proxy = Proxy::to(redis.port()).await;
    let host = over(&format!("redis://127.0.0.1:{}", proxy.port())).start().await;
    let queue = host.queue("q");
    queue.create(json!({})).await;
    let waiter = queue.clone();
    let waiting = tokio::spawn(async move {
        let path = waiter.path("/claims?wait=20");
        waiter.client().post(&path, json!({ "ttl": 300, "grace": 60 })).await
    });
    let watched = || redis.ask(&["PUBSUB", "NUMSUB", "sukkal:hints"]).is_ok_and(|said| said.ends_with(":1"));
    eventually("the channel is heard", SOON, async || watched().then_some(())).await;
    proxy.cut();
    eventually("the channel is heard again", SOON, async || watched().then_some(())).await;
    is_back(&queue, "late").await;
    let claim = waiting.await.expect("the waiter does not panic");
    // Whoever waits is told, or looks again by itself; it may have been unlucky when the wire was cut.
    assert!(matches!(claim.status, 201 | 503), "{}", claim.text());
}

#[tokio::test]
async fn who_waits_is_woken_where_the_machine_that_told_them_has_vanished() {
    let redis = Redis::in_memory();
    let (proxy, host) = over_a_wire(&redis).await;
    let queue = host.queue("q");
    queue.create(json!({})).await;
    let waiter = queue.clone();
    let waiting = tokio::spawn(async move {
        // For longer than it takes to find out.
        let path = waiter.path("/claims?wait=20");
        waiter.client().post(&path, json!({ "ttl": 300, "grace": 60 })).await
    });
    let marked = || {
        let key = redis.ask(&["KEYS", "sukkal:{*}:?????????????"])?;
        redis.ask(&["HEXISTS", &key, "w"])
    };
    eventually("somebody waits", SOON, async || marked().is_ok_and(|said| said == ":1").then_some(())).await;
    // Whatever is said from here on gets lost, and nobody is told that it does.
    proxy.swallow_from("unheard");
    redis.ask(&["PUBLISH", "sukkal:hints", "unheard"]).expect("the server answers");
    queue.post(["late"]).await;
    let claimed = waiting.await.expect("the waiter does not panic").expect(201).json();
    assert_eq!(claimed["messages"][0]["body"], "late");
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_loaded_again() {
    let redis = Redis::in_memory();
    let host = over(&redis.uri()).start().await;
    let queue = host.queue("q");
    queue.post(["a"]).await;
    assert_eq!(redis.ask(&["SCRIPT", "FLUSH", "SYNC"]).unwrap(), "OK");
    queue.post(["b"]).await;
    assert_eq!(queue.claim(2).await.bodies(), ["a", "b"]);
}

#[tokio::test]
async fn a_failover_keeps_messages_and_claims_and_is_followed() {
    let mut watched = Watched::in_memory();
    let host = over(&watched.uri()).start().await;
    let queue = host.queue("q");
    queue.post(["a", "b", "c"]).await;
    let claim = queue.claim(1).await;
    let replicated = || {
        let said = watched.servers[0].ask(&["WAIT", "1", "1000"]).unwrap_or_default();
        (said == ":1").then_some(())
    };
    eventually("the replica has it all", SOON, async || replicated()).await;
    watched.servers[0].kill();
    is_back_within(FAILOVER, &queue, "after").await;
    assert_eq!(claim.get().await.expect(200).json()["messages"][0]["body"], "a");
    assert_eq!(queue.list("?echo=true&limit=2").await.bodies(), ["b", "c"]);
}

#[tokio::test]
async fn who_waits_goes_on_waiting_over_a_failover() {
    let mut watched = Watched::in_memory();
    // They wait until the replica has taken over, however late that is.
    let limits = "[limits]\nmax_wait = 120";
    let host = Host::with().top(&format!("default_pool = {:?}", watched.uri())).section(limits).start().await;
    let queues: Vec<_> = (0..5).map(|number| host.queue(&format!("q{number}"))).collect();
    for queue in &queues {
        queue.create(json!({})).await;
    }
    let waiting: Vec<_> = queues.iter().map(|queue| wait_for_claim(queue, 110)).collect();
    let looks = async || {
        let calls = [("kind", "pool"), ("method", "claim")];
        (Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_store_calls_total", &calls) >= 10.0).then_some(())
    };
    eventually("all wait", SOON, looks).await;
    watched.servers[0].kill();
    for (queue, waits) in queues.iter().zip(waiting) {
        is_back_within(FAILOVER, queue, "late").await;
        let claimed = waits.await.expect("the waiter does not panic").expect(201).json();
        let body = claimed["messages"][0]["body"].as_str().unwrap_or_default();
        assert!(body.starts_with("late-") && body.ends_with(" 0"), "{body}");
    }
}

/// Places that were given to messages which the failover lost are given to others' afterwards.
#[tokio::test]
async fn who_passes_over_its_own_messages_misses_none_of_others_after_a_failover_that_lost_some() {
    let mut watched = Watched::in_memory();
    let host = over(&watched.uri()).start().await;
    let mine = host.queue("q");
    let theirs = mine.seen_by(host.client().with_id(OTHER));
    mine.post(["kept"]).await;
    let replicated = || watched.servers[0].ask(&["WAIT", "1", "1000"]).is_ok_and(|said| said == ":1");
    eventually("the replica has it", SOON, async || replicated().then_some(())).await;
    watched.servers[1].freeze();
    watched.servers[0].ask(&["CLIENT", "KILL", "TYPE", "replica"]).expect("the master answers");
    mine.post(0..10).await;
    assert!(mine.list("").await.messages.is_empty());
    watched.servers[0].kill();
    watched.servers[1].thaw();
    let message = json!({ "messages": [{ "ttl": 3600, "body": "theirs" }] });
    let post = async || theirs.client().post(&theirs.path("/messages"), message.clone()).await.status;
    eventually("posts are taken again", FAILOVER, async || (post().await == 201).then_some(())).await;
    assert_eq!(mine.list("").await.bodies(), ["theirs"]);
    assert_eq!(mine.list("?echo=true").await.bodies(), ["kept", "theirs"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_of_the_host_under_load() {
    let summary = crash::run(REDIS.host(), End::Kill, 3, 20_261_125).await;
    println!("{summary}");
    assert!(summary.violations.is_empty(), "{summary}");
}

/// Waits for something to claim.
pub fn wait_for_claim(queue: &Queue, seconds: u64) -> JoinHandle<Answer> {
    let queue = queue.clone();
    tokio::spawn(async move {
        let path = queue.path(&format!("/claims?wait={seconds}"));
        queue.client().post(&path, json!({ "ttl": 300, "grace": 60 })).await
    })
}
