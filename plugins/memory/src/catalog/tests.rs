//! What the conformance kit does not reach: bounds and accounts.

use std::time::Duration;

use sukkal_plugin_sdk::testing::{TestClock, call, host};
use sukkal_plugin_sdk::{
    Call, Catalog as _, Change, Commit, ErrorKind, Expect, Extensions, Open, RecordKey, Result, Write,
};

use super::Catalog;
use crate::settings::Settings;

const HOUR: Duration = Duration::from_secs(3600);

struct Bench {
    catalog: Catalog,
    clock: TestClock,
    call: Call,
}

impl Bench {
    async fn open(settings: Settings) -> Bench {
        let (host, clock) = host(std::path::Path::new("."));
        let open = Open { uri: "memory:".to_owned(), settings, host };
        let catalog = Catalog::open(open).await.expect("these settings are valid");
        Bench { catalog, call: call(&clock), clock }
    }

    async fn put(&self, name: &str, value: String, expires_in: Option<Duration>) -> Result<Commit> {
        let write = Write::Put { value: value.into(), expires_in, extensions: Extensions::new() };
        self.commit(Change { key: key(name), expect: Expect::Any, write }).await
    }

    async fn commit(&self, change: Change) -> Result<Commit> {
        self.catalog.commit(&self.call, vec![change]).await
    }

    fn held(&self) -> (u64, u64) {
        (self.catalog.room.bytes(), self.catalog.room.items())
    }
}

fn key(name: &str) -> RecordKey {
    RecordKey::new("thing", "project", name)
}

#[tokio::test]
async fn a_full_catalog_takes_no_more_but_changes_and_deletes() {
    let bench = Bench::open(Settings { max_records: 3, ..Settings::default() }).await;
    for name in ["a", "b", "c"] {
        bench.put(name, "1".to_owned(), None).await.expect("there is room");
    }
    let refused = bench.put("d", "1".to_owned(), None).await.map_err(|error| error.kind);
    assert_eq!(refused, Err(ErrorKind::Full));
    bench.put("a", "2".to_owned(), None).await.expect("a record can be replaced");
    bench.commit(Change::delete(key("a"), Expect::Any)).await.expect("a record can be deleted");
    bench.put("d", "1".to_owned(), Some(HOUR)).await.expect("there is room again");
    bench.clock.advance(2 * HOUR);
    bench.put("e", "1".to_owned(), None).await.expect("what has expired makes room");
}

#[tokio::test]
async fn the_accounts_come_to_nothing() {
    let bench = Bench::open(Settings { max_record_bytes: 64 * 1024, ..Settings::default() }).await;
    for round in 0..50_usize {
        let expires_in = (round % 3 == 0).then_some(HOUR);
        let value = "x".repeat(round * 100 % 7919);
        bench.put(&format!("{}", round % 9), value, expires_in).await.expect("there is room");
    }
    let refused = bench.put("large", "x".repeat(64 * 1024), None).await.map_err(|error| error.kind);
    assert_eq!(refused, Err(ErrorKind::Full));
    for name in 0..5 {
        bench.commit(Change::delete(key(&format!("{name}")), Expect::Any)).await.expect("it can be deleted");
    }
    bench.clock.advance(2 * HOUR);
    while bench.catalog.sweep(&bench.call, 1).await.expect("it can be swept") {}
    for name in 5..9 {
        bench.commit(Change::delete(key(&format!("{name}")), Expect::Any)).await.expect("it can be deleted");
    }
    assert_eq!(bench.held(), (0, 0));
}
