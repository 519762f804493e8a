//! Restarts: what was acknowledged is there, and goes on as if nothing had happened.

use std::time::{Duration, Instant};

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::{Host, eventually};

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_kill() {
    let mut host = Host::start().await;
    host.queue("orders").create(json!({ "a": 1 })).await;
    let ids = host.queue("orders").post(["a", "b", "c"]).await;
    let claim = host.queue("orders").claim(1).await;
    host.queue("orders").delete(&ids[1]).await.expect(204);
    host.kill();
    host.start_again().await;
    let orders = host.queue("orders");
    assert_eq!(host.client().get("/v2/queues/orders").await.expect(200).json()["a"], 1);
    assert_eq!(orders.list("?echo=true").await.bodies(), ["c"]);
    let held = host.client().get(&claim.path()).await.expect(200).json();
    assert_eq!(held["messages"][0]["body"], "a");
    host.client().delete(&claim.path()).await.expect(204);
    assert_eq!(orders.claim(3).await.bodies(), ["a", "c"]);
}

#[tokio::test]
async fn a_place_is_never_given_twice() {
    let mut host = Host::start().await;
    let mut ids = host.queue("orders").post([1, 2]).await;
    for life in 0..3 {
        let last = ids.last().cloned().unwrap_or_default();
        // Even the last place of all is not free again when its message is gone.
        host.queue("orders").delete(&last).await.expect(204);
        if life % 2 == 0 {
            host.kill();
        } else {
            assert!(host.stop().await.success());
        }
        host.start_again().await;
        let orders = host.queue("orders");
        let new = orders.post([format!("life {life}")]).await;
        assert!(new[0] > last, "{} comes after {last}", new[0]);
        let followed = orders.list(&format!("?echo=true&marker={last}")).await;
        assert_eq!(followed.bodies(), [format!("life {life}")]);
        ids.extend(new);
    }
}

#[tokio::test]
async fn a_delay_goes_on_over_a_restart() {
    let mut host = Host::start().await;
    let delay = Duration::from_secs(15);
    let posted = Instant::now();
    host.queue("orders").post_messages(json!([{ "body": "late", "delay": delay.as_secs() }])).await;
    host.kill();
    host.start_again().await;
    let orders = host.queue("orders");
    let claim = eventually("the delay ends", 4 * SOON, async || orders.try_claim(1).await).await;
    let waited = posted.elapsed();
    assert_eq!(claim.bodies(), ["late"]);
    assert!(waited >= delay - Duration::from_millis(20) && waited < delay * 2, "given out after {waited:?}");
}

#[tokio::test]
async fn a_deletion_that_a_kill_interrupts_is_a_deletion() {
    let mut host = Host::start().await;
    for _ in 0..10 {
        host.queue("orders").post(0..500).await;
    }
    host.client().delete("/v2/queues/orders").await.expect(204);
    host.kill();
    host.start_again().await;
    let orders = host.queue("orders");
    host.client().request("HEAD", "/v2/queues/orders").send().await.expect(404);
    assert_eq!(orders.counts().await, [0, 0, 0]);
    orders.post(["new"]).await;
    assert_eq!(orders.list("?echo=true&include_claimed=true").await.bodies(), ["new"]);
}

#[tokio::test]
async fn a_clean_end_keeps_everything_too() {
    let mut host = Host::start().await;
    host.queue("orders").post(0..100).await;
    assert!(host.stop().await.success());
    host.start_again().await;
    assert_eq!(host.queue("orders").counts().await, [100, 0, 100]);
}

#[tokio::test]
async fn a_second_host_on_the_same_data_is_refused() {
    let mut host = Host::start().await;
    host.queue("orders").post(["a"]).await;
    let second = host.serve().output().expect("the host can be started");
    assert!(!second.status.success());
    let told = String::from_utf8_lossy(&second.stderr).into_owned() + &String::from_utf8_lossy(&second.stdout);
    assert!(told.contains("catalog.db") || told.contains("pool.db"), "{told}");
    host.queue("orders").post(["b"]).await;
    host.kill();
    host.start_again().await;
    assert_eq!(host.queue("orders").counts().await, [2, 0, 2]);
}

#[tokio::test]
async fn a_default_pool_with_another_store_is_warned_of_once_a_start() {
    let mut host = Host::with().top("default_pool = \"sqlite:pool.db?synchronous=normal\"").start().await;
    host.queue("orders").post(["a"]).await;
    let restart = async |host: &mut Host, from: &str, to: &str| {
        let path = host.folder().join("sukkal.toml");
        let text = std::fs::read_to_string(&path).expect("the configuration can be read");
        std::fs::write(path, text.replace(from, to)).expect("the configuration can be written");
        assert!(host.stop().await.success());
        let old = host.log().len();
        host.start_again().await;
        host.log()[old..].lines().filter(|line| line.contains("has another store")).map(str::to_owned).collect()
    };
    // The same store in another spelling; others; and back.
    let warned: Vec<String> = restart(&mut host, "pool.db?synchronous=normal", "./pool.db").await;
    assert_eq!(warned, [""; 0]);
    let other = "sqlite:other.db?synchronous=normal";
    for (from, to, last) in [("sqlite:./pool.db", other, "pool.db"), (other, "memory:", "other.db")] {
        let warned: Vec<String> = restart(&mut host, from, to).await;
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(warned[0].contains("WARN") && warned[0].contains(&format!("{last}\"")), "{warned:?}");
        assert_eq!(host.queue("orders").list("?echo=true").await.bodies(), [""; 0]);
    }
    // What is in memory is nobody's store of tomorrow.
    let warned: Vec<String> = restart(&mut host, "memory:", "sqlite:other.db").await;
    assert_eq!(warned, [""; 0]);
    let warned: Vec<String> = restart(&mut host, "other.db", "pool.db").await;
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(host.queue("orders").list("?echo=true").await.bodies(), ["a"]);
    let warned: Vec<String> = restart(&mut host, "", "").await;
    assert_eq!(warned, [""; 0]);
}
