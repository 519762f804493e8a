//! Every promise of the contract, through the boundary; and the bound, which is this catalog's own.

use sukkal_plugin_sdk::conformance::{Failures, check_catalog};
use sukkal_plugin_sdk::testing::Bench;
use sukkal_plugin_sdk::{Change, ErrorKind, Expect, RecordKey, Result};

use super::{ExampleCatalog, Settings};

#[tokio::test]
async fn it_keeps_the_promises_of_a_catalog() -> Result<(), Failures> {
    check_catalog(async |bench| {
        bench
            .catalog(ExampleCatalog::open, "example:", Settings::default())
            .await
    })
    .await
}

#[tokio::test]
async fn a_full_catalog_takes_no_more_but_lets_go() -> Result<()> {
    let bench = Bench::new();
    let catalog = bench
        .catalog(ExampleCatalog::open, "example:", Settings { max_mib: 1 })
        .await?;
    let key = |name: &str| RecordKey::new("queue", "p", name);
    let put =
        |name: &str, bytes: usize| vec![Change::put(key(name), Expect::Any, vec![b'1'; bytes])];
    catalog.commit(&bench.call(), put("a", 1_000_000)).await?;
    let refused = catalog.commit(&bench.call(), put("b", 100_000)).await;
    assert_eq!(refused.err().map(|error| error.kind), Some(ErrorKind::Full));
    // As the host deletes a queue: what is to be done about it is written down.
    let deletes = vec![
        Change::delete(key("a"), Expect::Any),
        Change::put(
            RecordKey::new("dropping", "p", "a"),
            Expect::Any,
            vec![b'1'; 1_001_000],
        ),
    ];
    catalog.commit(&bench.call(), deletes).await?;
    let dropped = vec![Change::delete(
        RecordKey::new("dropping", "p", "a"),
        Expect::Any,
    )];
    catalog.commit(&bench.call(), dropped).await?;
    catalog.commit(&bench.call(), put("b", 100_000)).await?;
    assert_eq!(
        catalog
            .count(&bench.call(), "queue".to_owned(), "p".to_owned())
            .await?,
        1
    );
    Ok(())
}
