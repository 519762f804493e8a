//! Registered pools: their records, which store each has, which queues live where.
//!
//! | record (no project) | named by | is |
//! |---|---|---|
//! | `pool` | its name | the pool |
//! | `pool-store` | the store's identity, and by which it says that it is | which pool has this store, so that none has it twice |
//! | `pool-queue` | pool, U+0000, queue id | that the queue lives there |
//! | `pool-remains` | pool, U+0000, queue id | that what the deleted queue held is being removed there |
//! | `pool-leaving` | its name | that it is being deleted: until this ends no queue moves in |

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sukkal_plugin_sdk::load::OpenCatalog;
use sukkal_plugin_sdk::{Bytes, Call, Change, Commit, Expect, Extensions, QueueId, Record, RecordKey, Write};

use super::Directory;
use super::record::{broken, to_hex};
use crate::error::Result;
use crate::pools::{DEFAULT, Member, PoolSpec, Terms};

const POOL: &str = "pool";
const STORE: &str = "pool-store";
const QUEUE: &str = "pool-queue";
const REMAINS: &str = "pool-remains";
const LEAVING: &str = "pool-leaving";

/// How many pools are read at once.
const PAGE: u32 = 100;
/// How long a deletion may keep queues from moving in, should its host die.
const LONGEST_DELETION: Duration = Duration::from_secs(60);

/// A pool as its record has it.
#[derive(Clone)]
pub struct StoredPool {
    /// Its name.
    pub name: String,
    /// What it is opened by.
    pub spec: PoolSpec,
    /// Its share of new queues.
    pub weight: u32,
    /// The flavor that it belongs to.
    pub flavor: Option<String>,
    /// What it stated when it was registered.
    pub capabilities: Vec<String>,
    /// Its store's identity.
    pub identity: String,
    /// Which store it has said to be, in hexadecimal.
    pub store: Option<String>,
    /// The record's revision; 0: it is not stored yet.
    pub revision: u64,
}

#[derive(Serialize, Deserialize)]
struct Form {
    uri: String,
    options: Box<RawValue>,
    weight: u32,
    flavor: Option<String>,
    capabilities: Vec<String>,
    identity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<String>,
}

impl StoredPool {
    /// What the record says beyond how the pool is opened.
    pub fn terms(&self) -> Terms {
        let StoredPool { weight, flavor, capabilities, store, revision, .. } = self.clone();
        Terms { weight, flavor, capabilities, store, revision }
    }

    fn of(record: Record) -> Result<Self> {
        let form: Form = serde_json::from_slice(&record.value).map_err(|error| broken(&error))?;
        let options = crate::json::object(form.options.get().as_bytes()).map_err(|error| broken(&error))?;
        let Form { uri, weight, flavor, capabilities, identity, store, .. } = form;
        let spec = PoolSpec { uri, options };
        Ok(StoredPool {
            name: record.key.name,
            spec,
            weight,
            flavor,
            capabilities,
            identity,
            store,
            revision: record.revision,
        })
    }

    fn to_bytes(&self) -> Result<Bytes> {
        let StoredPool { spec, weight, flavor, capabilities, identity, store, .. } = self.clone();
        let options = serde_json::value::to_raw_value(&spec.options).map_err(|error| broken(&error))?;
        let form = Form { uri: spec.uri, options, weight, flavor, capabilities, identity, store };
        serde_json::to_vec(&form).map(Bytes::from).map_err(|error| broken(&error))
    }

    /// Under which names its store is known: by its URI, and as it says itself.
    fn stores(&self) -> impl Iterator<Item = RecordKey> {
        let said = self.store.as_ref().map(|store| said_by(store));
        [Some(self.identity.clone()), said].into_iter().flatten().map(|name| store_key(&name))
    }

    /// Its record, if nobody has changed it meanwhile; a new one, if there is none.
    pub(super) fn put(&self) -> Result<Change> {
        let expect = if self.revision == 0 { Expect::Absent } else { Expect::Revision(self.revision) };
        Ok(Change::put(RecordKey::new(POOL, "", self.name.clone()), expect, self.to_bytes()?))
    }

    /// That nobody has changed it meanwhile.
    pub(super) fn unchanged(&self) -> Change {
        check(RecordKey::new(POOL, "", self.name.clone()), Expect::Revision(self.revision))
    }
}

/// Every pool, by name.
pub async fn stored_pools(catalog: &OpenCatalog, call: &Call) -> Result<Vec<StoredPool>> {
    let mut pools: Vec<StoredPool> = Vec::new();
    loop {
        let after = pools.last().map(|pool| pool.name.clone());
        let page = listed_pools(catalog, call, after, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        pools.extend(page);
        if is_last {
            return Ok(pools);
        }
    }
}

/// A page of pools, by name.
pub async fn listed_pools(
    catalog: &OpenCatalog,
    call: &Call,
    after: Option<String>,
    limit: u32,
) -> Result<Vec<StoredPool>> {
    let records = catalog.list(call, POOL.to_owned(), String::new(), after, limit).await?;
    records.into_iter().map(StoredPool::of).collect()
}

/// A pool.
pub async fn stored_pool(catalog: &OpenCatalog, call: &Call, name: &str) -> Result<Option<StoredPool>> {
    catalog.get(call, RecordKey::new(POOL, "", name)).await?.map(StoredPool::of).transpose()
}

/// Which pool has a store.
pub async fn pool_of_store(catalog: &OpenCatalog, call: &Call, identity: &str) -> Result<Option<String>> {
    let holder = Holder::read(catalog, call, &store_key(identity)).await?;
    Ok(holder.filter(|holder| holder.counts).map(|holder| holder.pool))
}

/// Which pool has a store, as the record of the store has it.
struct Holder {
    pool: String,
    /// Whether there is such a pool, with that store. Hosts of a build that knows stores by their URIs alone leave what
    /// a store says of itself behind when they change or delete its pool.
    counts: bool,
    revision: u64,
}

impl Holder {
    async fn read(catalog: &OpenCatalog, call: &Call, store: &RecordKey) -> Result<Option<Self>> {
        let Some(record) = catalog.get(call, store.clone()).await? else { return Ok(None) };
        let pool = String::from_utf8_lossy(&record.value).into_owned();
        let stored = stored_pool(catalog, call, &pool).await?;
        let counts = stored.is_some_and(|stored| stored.stores().any(|key| key == *store));
        Ok(Some(Holder { pool, counts, revision: record.revision }))
    }
}

/// Stores a pool that has taken the place of another of its name, or of none. Gives the revision; `None`:
/// somebody else was quicker.
pub async fn store_pool(
    catalog: &OpenCatalog,
    call: &Call,
    pool: &StoredPool,
    before: Option<&StoredPool>,
) -> Result<Option<u64>> {
    let mut changes = vec![pool.put()?];
    let (now, then): (Vec<_>, Vec<_>) =
        (pool.stores().collect(), before.iter().flat_map(|pool| pool.stores()).collect());
    for key in now.iter().filter(|key| !then.contains(key)) {
        let expect = match Holder::read(catalog, call, key).await? {
            None => Expect::Absent,
            Some(holder) if holder.counts => return Ok(None),
            Some(holder) => Expect::Revision(holder.revision),
        };
        changes.push(Change::put(key.clone(), expect, pool.name.clone()));
    }
    let old = then.iter().filter(|key| !now.contains(key));
    changes.extend(old.map(|key| Change::delete(key.clone(), Expect::Any)));
    match catalog.commit(call, changes).await? {
        Commit::Done(revisions) => Ok(revisions.first().copied()),
        Commit::Failed(_) => Ok(None),
    }
}

/// Keeps queues from moving into a pool for a while: until its deletion, or until that is given up.
pub struct Leaving {
    key: RecordKey,
    revision: u64,
}

impl Leaving {
    /// From now on no queue moves in.
    pub async fn begin(catalog: &OpenCatalog, call: &Call, pool: &str) -> Result<Option<Self>> {
        let key = RecordKey::new(LEAVING, "", pool);
        let write =
            Write::Put { value: Bytes::new(), expires_in: Some(LONGEST_DELETION), extensions: Extensions::new() };
        let put = Change { key: key.clone(), expect: Expect::Any, write };
        Ok(match catalog.commit(call, vec![put]).await? {
            Commit::Done(revisions) => revisions.first().map(|revision| Leaving { key, revision: *revision }),
            Commit::Failed(_) => None,
        })
    }

    /// Queues may move in again.
    pub async fn give_up(self, catalog: &OpenCatalog, call: &Call) -> Result<()> {
        catalog.commit(call, vec![Change::delete(self.key, Expect::Revision(self.revision))]).await?;
        Ok(())
    }
}

/// Deletes a pool's record, if nobody has changed it and, where that was asked, no queue has moved in.
pub async fn delete_pool(
    catalog: &OpenCatalog,
    call: &Call,
    pool: &StoredPool,
    leaving: Option<Leaving>,
) -> Result<bool> {
    let record = RecordKey::new(POOL, "", pool.name.clone());
    let mut changes = vec![Change::delete(record, Expect::Revision(pool.revision))];
    changes.extend(pool.stores().map(|key| Change::delete(key, Expect::Any)));
    changes.extend(leaving.map(|leaving| Change::delete(leaving.key, Expect::Revision(leaving.revision))));
    Ok(matches!(catalog.commit(call, changes).await?, Commit::Done(_)))
}

/// Whether any queue lives in a pool.
pub async fn holds_queues(catalog: &OpenCatalog, call: &Call, pool: &str) -> Result<bool> {
    is_named(catalog, call, QUEUE, pool).await
}

/// Whether a pool still holds anything of queues that were deleted.
pub async fn holds_remains(catalog: &OpenCatalog, call: &Call, pool: &str) -> Result<bool> {
    is_named(catalog, call, REMAINS, pool).await
}

/// Whether there is a record of this kind for any queue of a pool.
async fn is_named(catalog: &OpenCatalog, call: &Call, kind: &str, pool: &str) -> Result<bool> {
    let first = format!("{pool}\0");
    let found = catalog.list(call, kind.to_owned(), String::new(), Some(first.clone()), 1).await?;
    Ok(found.first().is_some_and(|record| record.key.name.starts_with(&first)))
}

impl Directory {
    /// What a commit needs that makes a queue in a pool: that the pool is still as it was when it was
    /// chosen, and that it is not being deleted.
    pub(super) fn moves_in(member: &Member, queue: QueueId) -> Vec<Change> {
        let name = member.name();
        if name == DEFAULT {
            return Vec::new();
        }
        vec![
            Change::put(queue_key(QUEUE, name, queue), Expect::Any, Bytes::new()),
            check(RecordKey::new(POOL, "", name), Expect::Revision(member.terms().revision)),
            check(RecordKey::new(LEAVING, "", name), Expect::Absent),
        ]
    }

    /// What a commit needs by which a queue leaves a pool.
    pub(super) fn moves_out(pool: &str, queue: QueueId) -> Option<Change> {
        (pool != DEFAULT).then(|| Change::delete(queue_key(QUEUE, pool, queue), Expect::Any))
    }

    /// What a commit needs that deletes a queue: what it held is still there.
    pub(super) fn ends_in(pool: &str, queue: QueueId) -> Vec<Change> {
        let remains = || Change::put(queue_key(REMAINS, pool, queue), Expect::Any, Bytes::new());
        Self::moves_out(pool, queue).into_iter().flat_map(|moves_out| [moves_out, remains()]).collect()
    }

    /// What a commit needs that forgets a deleted queue: nothing of it is left.
    pub(super) fn is_gone_from(pool: &str, queue: QueueId) -> Option<Change> {
        (pool != DEFAULT).then(|| Change::delete(queue_key(REMAINS, pool, queue), Expect::Any))
    }
}

/// The name under which a store is known that says which it is: no URI.
pub fn said_by(store: &str) -> String {
    format!("={store}")
}

/// Identities have any length.
fn store_key(identity: &str) -> RecordKey {
    RecordKey::new(STORE, "", to_hex(&Sha256::digest(identity)))
}

fn queue_key(kind: &str, pool: &str, queue: QueueId) -> RecordKey {
    RecordKey::new(kind, "", format!("{pool}\0{}", queue.text()))
}

fn check(key: RecordKey, expect: Expect) -> Change {
    Change { key, expect, write: Write::Check }
}
