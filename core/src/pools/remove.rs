//! Deleting a pool: not while queues live there, unless that is meant.

use std::time::{Duration, Instant};

use sukkal_plugin_sdk::Call;

use super::Pools;
use crate::directory::{
    Leaving, StoredPool, delete_pool, flavor_exists, holds_queues, holds_remains, stored_pool, stored_pools,
};
use crate::error::{Error, ErrorKind, Result};

/// How often a deletion is tried when others change the pool.
const TRIES: u32 = 10;
/// How long it is waited until what deleted queues held is removed, and how often it is looked.
const REMOVING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

impl Pools {
    /// Deletes a pool, if it is there. `force`: also while queues live there, which are not served
    /// from then on, until a pool of that name with their store is registered again; and while there is
    /// something left of deleted queues, which stays in the store.
    ///
    /// # Errors
    /// `PoolInUse`.
    pub async fn delete(&self, call: &Call, name: &str, force: bool) -> Result<()> {
        for _ in 0..TRIES {
            let Some(pool) = stored_pool(&self.catalog, call, name).await? else {
                self.forget(name).await;
                return Ok(());
            };
            self.check_flavor(call, &pool).await?;
            let leaving = match force {
                true => None,
                false => Some(self.emptied(call, name).await?),
            };
            if delete_pool(&self.catalog, call, &pool, leaving).await? {
                tracing::info!(pool = name, force, "the pool is deleted");
                self.forget(name).await;
                return Ok(());
            }
        }
        Err(Error::contended("pool"))
    }

    /// A flavor keeps at least one pool.
    async fn check_flavor(&self, call: &Call, pool: &StoredPool) -> Result<()> {
        let Some(flavor) = &pool.flavor else { return Ok(()) };
        if !flavor_exists(&self.catalog, call, flavor).await? {
            return Ok(());
        }
        let pools = stored_pools(&self.catalog, call).await?;
        let has_other = pools.iter().any(|other| other.name != pool.name && other.flavor.as_ref() == Some(flavor));
        if has_other {
            return Ok(());
        }
        Err(in_use(format!("This pool is used by flavors {flavor}; It cannot be deleted.")))
    }

    /// Keeps queues from moving in, and makes sure that none lives there and nothing is left of those that did.
    async fn emptied(&self, call: &Call, name: &str) -> Result<Leaving> {
        let begun = Instant::now();
        loop {
            self.check_empty(call, name).await?;
            // Queues need not be kept out while it is waited for others.
            if !holds_remains(&self.catalog, call, name).await? {
                let leaving = Leaving::begin(&self.catalog, call, name).await?;
                let leaving = leaving.ok_or_else(|| Error::new(ErrorKind::Internal, "Unexpected error."))?;
                let empty = match self.check_empty(call, name).await {
                    Ok(()) => holds_remains(&self.catalog, call, name).await.map(|holds| !holds),
                    Err(error) => Err(error),
                };
                if matches!(empty, Ok(true)) {
                    return Ok(leaving);
                }
                leaving.give_up(&self.catalog, call).await?;
                empty?;
            }
            if begun.elapsed() > REMOVING {
                let text = "What deleted queues held is still being removed from this pool; It cannot be deleted yet. Try again later, or use force=true to leave it in the store.";
                return Err(in_use(text.to_owned()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn check_empty(&self, call: &Call, name: &str) -> Result<()> {
        if !holds_queues(&self.catalog, call, name).await? {
            return Ok(());
        }
        let text = "Queues live in this pool; It cannot be deleted. Delete them first, or use force=true to leave them unserved.";
        Err(in_use(text.to_owned()))
    }
}

fn in_use(text: String) -> Error {
    Error::new(ErrorKind::PoolInUse, text)
}
