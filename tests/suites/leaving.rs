//! Leaving with plugins: each is told once and waited for, however it behaves.

use std::time::{Duration, Instant};

use sukkal_tests::eventually::SOON;
use sukkal_tests::host::Setup;
use sukkal_tests::long_run::scaled;
use sukkal_tests::wire::{Wire, request};
use sukkal_tests::{Host, Scrape, eventually, programs};

/// Everything that is built, and a filter and a pool that misbehave as told.
fn everything(does: &str, at: &str) -> Setup {
    let ours = ["sukkal-sqlite", "sukkal-memory", "sukkal-filter-audit", "sukkal-filter-rate-limit"];
    let libraries = ours.into_iter().chain(["sukkal-example-filter"]).map(programs::library);
    let setup = Host::with().plugins(libraries.chain([programs::bad_library("misbehaves")]));
    setup.top("pipeline = [\"audit\", \"rate-limit\", \"seal\", \"misbehaves\"]\ndefault_pool = \"misbehaves:\"").section(&format!(
        "[filters.misbehaves]\ndoes = \"{does}\"\nat = \"{at}\"\n[plugins.misbehaves]\ndoes = \"{does}\"\nat = \"{at}\""
    ))
}

#[tokio::test]
async fn leaving_calls_each_shutdown_once_and_ends_well() {
    let rounds = scaled(10, 100);
    let mut host = everything("works", "shutdown").start().await;
    for round in 1..=rounds {
        host.queue("orders").post(["a"]).await;
        assert_eq!(host.queue("orders").pop(1).await[0]["body"], "a");
        // Each of the signals that end a host.
        if round % 2 == 0 {
            host.interrupt()
        } else {
            host.terminate()
        }
        assert_eq!(host.wait().await.code(), Some(0));
        let log = host.log();
        for text in ["the filter is shut down", "the pool is shut down"] {
            assert_eq!(log.matches(text).count(), round, "{text}:\n{log}");
        }
        if round < rounds {
            host.start_again().await;
        }
    }
}

#[tokio::test]
async fn a_plugin_that_misbehaves_at_its_end_holds_up_nobody_for_long() {
    for (does, told) in [("never", "did not end in time"), ("late_panic_text", "later, with a text")] {
        let mut host = everything(does, "shutdown").start().await;
        host.queue("orders").post(["a"]).await;
        let begun = Instant::now();
        assert_eq!(host.stop().await.code(), Some(0), "{does}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{does}: {:?}", begun.elapsed());
        assert!(host.log().contains(told), "{}", host.log());
    }
}

#[tokio::test]
async fn a_sweep_that_never_ends_holds_up_nobody_for_long() {
    let setup = everything("never", "sweep").top("shutdown_grace = 1");
    let mut host = setup.start().await;
    host.queue("orders").post(["a"]).await;
    let begun = Instant::now();
    assert_eq!(host.stop().await.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn filters_see_the_end_of_a_request_that_was_cut() {
    let mut host = everything("slow", "post").top("shutdown_grace = 1").start().await;
    let mut wire = Wire::connect(host.address()).await;
    assert!(wire.send(request("POST", "/v2/queues/orders/messages", "", "{\"messages\":[{\"body\":1}]}")).await);
    let pages = host.pages();
    eventually("the post is under way", SOON, async || {
        let in_flight = Scrape::of(&pages, "/metrics").await.sum("sukkal_requests_in_flight", &[]);
        (in_flight == 1.0).then_some(())
    })
    .await;
    assert_eq!(host.stop().await.code(), Some(0));
    let told = std::fs::read_to_string(host.folder().join("data/audit.jsonl")).expect("the audit has a file");
    let posts: Vec<&str> = told.lines().filter(|line| line.contains("\"message_post\"")).collect();
    assert!(matches!(posts[..], [post] if post.contains("\"status\":201")), "{told}\n{}", host.log());
}

#[tokio::test]
async fn a_second_interrupt_ends_a_host_that_waits_for_a_plugin_at_once() {
    let mut host = everything("never", "shutdown").start().await;
    host.queue("orders").post(["a"]).await;
    host.interrupt();
    eventually("the host is stopping", SOON, async || host.log().contains("is shut down").then_some(())).await;
    let begun = Instant::now();
    host.interrupt();
    assert_eq!(host.wait().await.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_a_host_that_waits_for_a_plugin_at_once() {
    let mut host = everything("never", "shutdown").start().await;
    host.queue("orders").post(["a"]).await;
    host.terminate();
    eventually("the host is stopping", SOON, async || host.log().contains("is shut down").then_some(())).await;
    let begun = Instant::now();
    assert_eq!(host.stop().await.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(host.log().contains("ended at once"), "{}", host.log());
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_ends_the_start_with_its_words() {
    for (does, words) in [("fail", "out of order: as its settings say"), ("panic_text", "the plugin failed")] {
        let host = everything(does, "open").prepare();
        let output = host.serve().output().expect("the host can be started");
        assert_eq!(output.status.code(), Some(1), "{does}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = told.lines().last().unwrap_or_default();
        assert!(last.contains("the plugin `misbehaves`") && last.contains(words), "{told}");
    }
}
