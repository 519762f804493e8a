//! Which store the default pool has had: queues' records say only that they live in the default pool.
//!
//! One record of no project: what its URI names, and which store it says that it is, where it does.

use serde::{Deserialize, Serialize};
use sukkal_plugin_sdk::load::OpenCatalog;
use sukkal_plugin_sdk::{Call, Change, Expect, RecordKey};

use super::record::broken;
use crate::error::Result;

/// The kind of its record, which is the only one.
const DEFAULT_POOL: &str = "default-pool";

/// A store of the default pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultStore {
    /// What its URI names: the same for each spelling.
    pub identity: String,
    /// Which it says that it is, in hexadecimal; none: it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

impl DefaultStore {
    /// Whether they are one: as they say themselves, if both do.
    pub fn is(&self, other: &DefaultStore) -> bool {
        match (&self.said, &other.said) {
            (Some(one), Some(other)) => one == other,
            _ => self.identity == other.identity,
        }
    }
}

/// The store that the default pool had when it was noted last.
pub async fn noted_default_store(catalog: &OpenCatalog, call: &Call) -> Result<Option<DefaultStore>> {
    let record = catalog.get(call, key()).await?;
    // Noted by a build that asked no store which it is: what its URI names, as it is.
    let bare = |value: &[u8]| DefaultStore { identity: String::from_utf8_lossy(value).into_owned(), said: None };
    Ok(record.map(|record| serde_json::from_slice(&record.value).unwrap_or_else(|_| bare(&record.value))))
}

/// Notes the store that it has now.
pub async fn note_default_store(catalog: &OpenCatalog, call: &Call, store: &DefaultStore) -> Result<()> {
    let value = serde_json::to_vec(store).map_err(|error| broken(&error))?;
    catalog.commit(call, vec![Change::put(key(), Expect::Any, value)]).await?;
    Ok(())
}

fn key() -> RecordKey {
    RecordKey::new(DEFAULT_POOL, "", "store")
}
