//! Long polls over many hosts: who waits on one is told, and soon, of what happens on another.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::{Answer, Host, Queue, Scrape, eventually};
use tokio::task::JoinHandle;

use crate::many_hosts::{over_each, seen_by_both, wait};

#[tokio::test]
async fn who_waits_on_one_host_is_woken_by_what_happens_on_another() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let [here, there] = seen_by_both(&hosts, "orders");
        here.create(json!({})).await;
        for round in 0..10 {
            let (reads, claims) = (wait(&here, false), wait(&here, true));
            // The second round on, somebody is surely waiting when it is posted.
            tokio::task::yield_now().await;
            there.post([round]).await;
            let read = reads.await.expect("no task panics").expect(200).json();
            assert_eq!(read["messages"][0]["body"], round);
            let claimed = claims.await.expect("no task panics").expect(201).json();
            assert_eq!(claimed["messages"][0]["body"], round);
            let id = claimed["messages"][0]["id"].as_str().unwrap_or_default().to_owned();
            let claim = claimed["messages"][0]["href"].as_str().and_then(|href| href.rsplit('=').next());
            // What is given back on one host wakes who waits on the other.
            let again = wait(&here, true);
            let path = there.path(&format!("/claims/{}", claim.unwrap_or_default()));
            there.client().delete(&path).await.expect(204);
            let again = again.await.expect("no task panics").expect(201).json();
            assert_eq!(again["messages"][0]["id"], id.as_str());
            let claim = again["messages"][0]["href"].as_str().and_then(|href| href.rsplit('=').next());
            there.delete_claimed(&id, claim.unwrap_or_default()).await.expect(204);
        }
    })
    .await;
}

/// Within so long whoever waits on one host hears of what happens on another.
const WOKEN: Duration = Duration::from_millis(200);

/// Waits until somebody has heard in time twice in a row: a busy machine is slower now and then. A host that looks once
/// a second is that quick once by chance, and not the next time: that begins right after the look which has found
/// something. `round`: how long it took, once somebody waited.
async fn hears_in_time(mut round: impl AsyncFnMut(u32) -> Duration) {
    const IN_A_ROW: u32 = 2;
    let (mut number, mut in_a_row, mut all) = (0, 0, Vec::new());
    eventually("who waits hears within 200 ms", Duration::from_secs(60), async || {
        let took = round(number).await;
        all.push(took);
        number += 1;
        in_a_row = if took < WOKEN { in_a_row + 1 } else { 0 };
        (in_a_row == IN_A_ROW).then_some(())
    })
    .await;
    println!("heard after {all:?}");
}

/// Posts on one host what is waited for on the other, and waits until it has come there.
async fn from_post_to_claim(there: &Queue, waiting: JoinHandle<Answer>) -> (Duration, Value) {
    let begun = Instant::now();
    there.post(["m"]).await;
    let claimed = waiting.await.expect("no task panics").expect(201).json();
    (begun.elapsed(), claimed)
}

#[tokio::test]
async fn who_waits_hears_from_another_host_within_200_ms() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let [here, there] = seen_by_both(&hosts, "orders");
        here.create(json!({})).await;
        hears_in_time(async |_| {
            let looked = store_calls(&hosts[0], "pool", "claim").await;
            let waiting = wait(&here, true);
            // It looks once, has the queue watched, and looks again.
            let waits = async || (store_calls(&hosts[0], "pool", "claim").await >= looked + 2.0).then_some(());
            eventually("somebody waits", SOON, waits).await;
            let (took, claimed) = from_post_to_claim(&there, waiting).await;
            let href = claimed["messages"][0]["href"].as_str().unwrap_or_default();
            here.client().delete(href).await.expect(204);
            took
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_a_queue_that_is_not_there_hears_of_it_within_200_ms() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        hears_in_time(async |round| {
            let [here, there] = seen_by_both(&hosts, &format!("q{round}"));
            let waiting = wait(&here, true);
            let waits = async || {
                let in_flight = Scrape::of(&hosts[0].pages(), "/metrics").await.sum("sukkal_requests_in_flight", &[]);
                (in_flight == 1.0).then_some(())
            };
            eventually("somebody waits", SOON, waits).await;
            // The first may have been begun before.
            looks(&hosts[0], 2.0).await;
            from_post_to_claim(&there, waiting).await.0
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_a_queue_that_is_not_there_hears_of_it_from_another_host() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let [here, there] = seen_by_both(&hosts, "orders");
        let waiting = wait(&here, true);
        there.post(["first"]).await;
        assert_eq!(waiting.await.expect("no task panics").expect(201).json()["messages"][0]["body"], "first");
    })
    .await;
}

/// How often a host has called this method of a store of this kind.
async fn store_calls(host: &Host, kind: &str, method: &str) -> f64 {
    let calls = [("kind", kind), ("method", method)];
    Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_store_calls_total", &calls)
}

/// How often a host has called this method of its catalog.
async fn catalog_calls(host: &Host, method: &str) -> f64 {
    store_calls(host, "catalog", method).await
}

/// Waits until a host has looked so many more times for the queues that are waited for and not there.
async fn looks(host: &Host, more: f64) {
    let before = catalog_calls(host, "get_many").await;
    let looked = async || (catalog_calls(host, "get_many").await >= before + more).then_some(());
    eventually("it looks for what is waited for", SOON, looked).await;
}

#[tokio::test]
async fn queues_that_are_not_there_are_looked_for_all_at_once_whoever_waits_for_them() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let before = catalog_calls(&hosts[0], "get").await;
        let waits: Vec<_> = (0..80).map(|number| wait(&hosts[0].queue(&format!("q{}", number % 40)), false)).collect();
        // Once at first, and once more when it is known that somebody waits.
        let alone = before + 160.0;
        let all_wait = async || (catalog_calls(&hosts[0], "get").await >= alone).then_some(());
        eventually("each has looked for its queue", SOON, all_wait).await;
        looks(&hosts[0], 15.0).await;
        assert_eq!(catalog_calls(&hosts[0], "get").await, alone, "nobody looks for a queue of its own");
        for number in 0..40 {
            hosts[1].queue(&format!("q{number}")).post([number]).await;
        }
        for (number, waiting) in waits.into_iter().enumerate() {
            let read = waiting.await.expect("no task panics").expect(200).json();
            assert_eq!(read["messages"][0]["body"], number % 40);
        }
    })
    .await;
}

#[tokio::test]
async fn the_next_look_finds_a_queue_that_another_host_has_made() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let [here, there] = seen_by_both(&hosts, "orders");
        let waiting = wait(&here, true);
        looks(&hosts[0], 1.0).await;
        there.post(["first"]).await;
        let before = catalog_calls(&hosts[0], "get_many").await;
        waiting.await.expect("no task panics").expect(201);
        // The one under way, the one that finds it, and one more while who waits is told.
        let since = catalog_calls(&hosts[0], "get_many").await - before;
        assert!(since <= 3.0, "{since} looks after it was there");
    })
    .await;
}

/// Holds two hosts to this: who waits on one goes on with the next queue of the name that the other makes.
pub async fn a_wait_goes_on_with_another_queue(hosts: &[Host; 2]) {
    let [here, there] = seen_by_both(hosts, "orders");
    here.create(json!({})).await;
    let waiting = wait(&here, false);
    // It looks once, has the queue watched, and looks again.
    let waits = async || (store_calls(&hosts[0], "pool", "list").await > 1.0).then_some(());
    eventually("somebody waits", SOON, waits).await;
    there.client().delete("/v2/queues/orders").await.expect(204);
    there.post(["of the next one"]).await;
    let read = waiting.await.expect("no task panics").expect(200).json();
    assert_eq!(read["messages"][0]["body"], "of the next one");
}

#[tokio::test]
async fn who_waits_goes_on_with_the_next_queue_of_the_name_whichever_host_makes_it() {
    over_each(async |shared| a_wait_goes_on_with_another_queue(&shared.pair().await).await).await;
}
