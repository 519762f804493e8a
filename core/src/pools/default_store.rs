//! The default pool's store, held against that of the last start.

use sukkal_plugin_sdk::Call;

use super::Pools;
use crate::directory::{DefaultStore, note_default_store, noted_default_store, to_hex};
use crate::error::Result;

impl Pools {
    /// Warns where the default pool has another store than when it was noted last, and notes the one that it
    /// has. One without a name is not noted: none will ever be the same.
    pub(crate) async fn compare_default(&self, call: &Call) -> Result<()> {
        let Some(identity) = self.opener.default_identity() else { return Ok(()) };
        let said = match self.default.clone() {
            Some(member) => {
                member.health_if_old(call).await;
                member.store().map(|store| to_hex(&store))
            }
            None => None,
        };
        let now = DefaultStore { identity, said };
        let before = noted_default_store(&self.catalog, call).await?;
        // One that does not tell at the moment takes nothing back of what it has told.
        let is_noted = |before: &DefaultStore| *before == now || now.said.is_none() && before.is(&now);
        if before.as_ref().is_some_and(is_noted) {
            return Ok(());
        }
        if let Some(before) = before.filter(|before| !before.is(&now)) {
            tracing::warn!(
                now = now.identity,
                before = before.identity,
                now_says = now.said,
                before_said = before.said,
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
