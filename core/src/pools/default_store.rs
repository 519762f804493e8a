//! The default pool's store, held against that of the last start.

use sukkal_plugin_sdk::Call;

use super::Pools;
use crate::directory::{note_default_store, noted_default_store};
use crate::error::Result;

impl Pools {
    /// Warns where the default pool has another store than when it was noted last, and notes the one that it
    /// has. One without a name is not noted: none will ever be the same.
    pub(crate) async fn compare_default(&self, call: &Call) -> Result<()> {
        let Some(now) = self.opener.default_identity() else { return Ok(()) };
        let before = noted_default_store(&self.catalog, call).await?;
        if before.as_ref() == Some(&now) {
            return Ok(());
        }
        if let Some(before) = before {
            tracing::warn!(
                now,
                before,
                "the default pool has another store: its queues are looked for there, and what they held is where it \
                 was. To have it back, set default_pool back, and register the new store as a pool for new queues. \
                 Where the store itself has moved, all is well"
            );
        }
        match self.opener.default_is_named() {
            true => note_default_store(&self.catalog, call, &now).await,
            false => Ok(()),
        }
    }
}
