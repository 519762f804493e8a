//! Stores that are away: whoever needs one is told where it should be, what the system says, and what to
//! do; never a password.

use serde_json::json;
use sukkal_tests::Host;
use sukkal_tests::pools::{poolless, register};

/// Nobody listens on port 1.
const STORES: [(&str, &str); 5] = [
    ("catalog", "postgres://me:hidden@127.0.0.1:1/d"),
    ("catalog", "mysql://me:hidden@127.0.0.1:1/d"),
    ("catalog", "mongodb://me:hidden@127.0.0.1:1/d"),
    ("default_pool", "redis://me:hidden@127.0.0.1:1"),
    ("default_pool", "redis://me:hidden@127.0.0.1:1?master=m&sentinel_password=hidden"),
];

#[test]
fn a_store_that_is_away_ends_the_start_with_its_address_and_the_systems_reason() {
    for (key, uri) in STORES {
        let host = Host::with().top(&format!("{key} = \"{uri}\"")).prepare();
        let output = host.serve().output().expect("the host can be started");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{uri}: {told}");
        let line = told.lines().find(|line| line.starts_with("sukkal: ")).unwrap_or_default();
        for part in [&format!("`{key}`"), "127.0.0.1:1", "Connection refused", "start ", "correct the uri"] {
            assert!(line.contains(part), "{part} for {uri} in: {told}");
        }
        assert!(!told.contains("hidden"), "{uri}: {told}");
    }
}

#[test]
fn a_host_that_cannot_be_found_is_told_with_its_name() {
    for uri in ["postgres://no.such.host.invalid/d", "mongodb://no.such.host.invalid/d"] {
        let host = Host::with().top(&format!("catalog = \"{uri}\"")).prepare();
        let output = host.serve().output().expect("the host can be started");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("no.such.host.invalid:") && told.contains("lookup"), "{uri}: {told}");
    }
}

#[tokio::test]
async fn the_reason_why_a_pool_is_refused_is_in_the_log_under_its_request() {
    let host = poolless().await;
    for uri in ["redis://me:hidden@127.0.0.1:1", "mongodb://me:hidden@127.0.0.1:1/d"] {
        let refused = register(&host, "p", json!({ "uri": uri, "weight": 1 })).await.expect(400);
        let description = refused.json()["description"].to_string();
        assert!(
            description.contains("cannot connect to URI") && description.contains("correct the uri"),
            "{refused:?}"
        );
        let id = refused.header("x-openstack-request-id").trim_start_matches("req-");
        let log = host.log();
        let line = log.lines().find(|line| line.contains(id)).unwrap_or_default();
        for part in ["WARN", "pool=\"p\"", "127.0.0.1:1: ", "Connection refused"] {
            assert!(line.contains(part), "{part} for {uri} in: {log}");
        }
        assert!(!log.contains("hidden") && !refused.text().contains("hidden"), "{uri}: {log}");
    }
}
