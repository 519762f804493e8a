//! Which stores the registered pools say that they are, noted for all hosts.

use std::sync::Arc;

use sukkal_plugin_sdk::{Bytes, Call};

use super::{Member, Pools};
use crate::directory::{StoredPool, pool_of_store, said_by, store_pool, stored_pool, to_hex};
use crate::error::Result;

impl Pools {
    /// Notes which stores open pools say that they are, where their records do not: they were registered, or changed
    /// since, by a host of a build that did not ask, or by none that could be told.
    pub(crate) async fn note_stores(&self, call: &Call) -> Result<()> {
        for member in self.known.load_full().members.values() {
            if member.terms().store.is_none()
                && let Some(store) = member.store()
            {
                self.note_store(call, member, &store).await?;
            }
        }
        Ok(())
    }

    async fn note_store(&self, call: &Call, member: &Arc<Member>, store: &Bytes) -> Result<()> {
        let Some(before) = stored_pool(&self.catalog, call, member.name()).await? else { return Ok(()) };
        // What it has said is not of what its record names by now.
        if before.store.is_some() || member.spec() != Some(&before.spec) {
            return Ok(());
        }
        let store = to_hex(store);
        if let Some(other) = pool_of_store(&self.catalog, call, &said_by(&store)).await? {
            if member.begins_to_share() {
                tracing::warn!(
                    pool = member.name(),
                    other,
                    "two pools have one store, and share its room and its speed without knowing of each other; take one \
                     of them out of use"
                );
            }
            return Ok(());
        }
        let pool = StoredPool { store: Some(store), ..before.clone() };
        // Where somebody else was quicker, the next round sees what is left to do.
        if let Some(revision) = store_pool(&self.catalog, call, &pool, Some(&before)).await? {
            member.set_terms(StoredPool { revision, ..pool }.terms());
        }
        Ok(())
    }
}
