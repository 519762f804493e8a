//! Which store the default pool has had: queues' records say only that they live in the default pool.
//!
//! One record of no project; its value is the store's identity.

use sukkal_plugin_sdk::load::OpenCatalog;
use sukkal_plugin_sdk::{Call, Change, Expect, RecordKey};

use crate::error::Result;

/// The kind of its record, which is the only one.
const DEFAULT_POOL: &str = "default-pool";

/// The identity of the store that the default pool had when it was noted last.
pub async fn noted_default_store(catalog: &OpenCatalog, call: &Call) -> Result<Option<String>> {
    let record = catalog.get(call, key()).await?;
    Ok(record.map(|record| String::from_utf8_lossy(&record.value).into_owned()))
}

/// Notes the identity of the store that it has now.
pub async fn note_default_store(catalog: &OpenCatalog, call: &Call, identity: &str) -> Result<()> {
    catalog.commit(call, vec![Change::put(key(), Expect::Any, identity.to_owned())]).await?;
    Ok(())
}

fn key() -> RecordKey {
    RecordKey::new(DEFAULT_POOL, "", "store")
}
