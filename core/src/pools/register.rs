//! Registering a pool, and changing one that is registered.

use std::time::Duration;

use sukkal_plugin_sdk::load::OpenPool;
use sukkal_plugin_sdk::{self as sdk, Call, Health};
use tokio::time::{Instant, timeout};

use super::opener::{OPENING, close, open};
use super::{DEFAULT, Member, PoolSpec, Pools, lock};
use crate::directory::{
    StoredPool, holds_queues, pool_of_store, said_by, store_pool, stored_pool, stored_pools, to_hex,
};
use crate::error::{Error, ErrorKind, Result};

/// How often a change is tried when others are quicker.
const TRIES: u32 = 10;
/// What a store has left for opening, however long another took that had it before, and for saying how it is.
const LEAST: Duration = Duration::from_millis(100);

/// What a pool is to be.
#[derive(Clone, PartialEq)]
pub struct Wish {
    /// What it is opened by.
    pub spec: PoolSpec,
    /// Its share of new queues.
    pub weight: u32,
    /// The flavor that it belongs to; it need not exist yet.
    pub flavor: Option<String>,
}

/// A store that was opened to see whether it can be.
struct Candidate {
    /// None: it is opened as before.
    pool: Option<OpenPool>,
    health: Health,
    capabilities: Vec<String>,
}

impl Pools {
    /// Registers a pool, or changes it: `wish` says what it is to be, given what it is. Nothing is
    /// stored before its store was opened and has answered, unless nothing changes by which it is
    /// opened: a pool that is down can be taken out of use.
    ///
    /// # Errors
    /// `wish`'s; `BadBody`: the store cannot be opened, or a secret is sent as it is shown and none is stored for that
    /// server; `Conflict`: another pool has it;
    /// `PoolNotCreated`: it is not as its flavor's other pools are.
    pub async fn register(
        &self,
        call: &Call,
        name: &str,
        wish: impl Fn(Option<&StoredPool>) -> Result<Wish>,
    ) -> Result<StoredPool> {
        let _here = self.registering.try_take(name).ok_or_else(|| Error::contended("pool"))?;
        for _ in 0..TRIES {
            let before = stored_pool(&self.catalog, call, name).await?;
            let Wish { spec, weight, flavor } = wish(before.as_ref())?;
            let spec = self.opener.meant(spec, before.as_ref().map(|before| &before.spec)).map_err(Error::body)?;
            let wish = Wish { spec, weight, flavor };
            let identity = self.opener.identity(&wish.spec.uri);
            let begun = Instant::now();
            let _store = timeout(OPENING, self.stores.take(&identity)).await.map_err(|_| Error::contended("store"))?;
            let time = OPENING.saturating_sub(begun.elapsed()).max(LEAST);
            self.check(call, name, &wish, &identity).await?;
            let candidate = self.candidate(call, name, &wish, before.as_ref(), &identity, time).await?;
            let pool = StoredPool {
                name: name.to_owned(),
                spec: wish.spec,
                weight: wish.weight,
                flavor: wish.flavor,
                capabilities: candidate.capabilities.clone(),
                identity,
                store: match &candidate.pool {
                    Some(_) => candidate.health.store().map(|store| to_hex(store)),
                    None => before.as_ref().and_then(|before| before.store.clone()),
                },
                revision: before.as_ref().map_or(0, |before| before.revision),
            };
            match self.store(call, pool, before.as_ref()).await {
                Ok(Some(pool)) => {
                    if before.is_some_and(|before| before.identity != pool.identity) {
                        tracing::warn!(pool = name, "the pool has another store: its queues are looked for there");
                    }
                    self.put(&pool, candidate).await;
                    return Ok(pool);
                }
                Ok(None) => self.discard(name, candidate, before.as_ref()).await,
                Err(error) => {
                    self.discard(name, candidate, before.as_ref()).await;
                    return Err(error);
                }
            }
        }
        Err(Error::contended("pool"))
    }

    /// What a pool states: its store may have changed since it was registered.
    pub(crate) fn stated(&self, pool: &StoredPool) -> Vec<String> {
        let open = self.known(&pool.name).and_then(|member| member.pool().ok());
        let stated = open.and_then(|pool| pool.capabilities()).map(|stated| names(&stated));
        stated.unwrap_or_else(|| pool.capabilities.clone())
    }

    async fn check(&self, call: &Call, name: &str, wish: &Wish, identity: &str) -> Result<()> {
        self.opener.check(&wish.spec).map_err(Error::body)?;
        if self.opener.default_identity().as_deref() == Some(identity) {
            return Err(in_use(DEFAULT));
        }
        match pool_of_store(&self.catalog, call, identity).await? {
            Some(other) if other != name => Err(in_use(&other)),
            _ => Ok(()),
        }
    }

    /// Opens the store and asks whether it is well, unless it is opened as before. All pools of one
    /// flavor state the same.
    async fn candidate(
        &self,
        call: &Call,
        name: &str,
        wish: &Wish,
        before: Option<&StoredPool>,
        identity: &str,
        time: Duration,
    ) -> Result<Candidate> {
        if let Some(before) = before.filter(|before| before.spec == wish.spec) {
            let capabilities = self.stated(before);
            self.check_flavor_of(call, name, wish, &capabilities).await?;
            return Ok(Candidate { pool: None, health: Health::default(), capabilities });
        }
        self.check_kept(call, name).await?;
        // A store that is opened in another way may be one that only one can have open.
        if before.is_some_and(|before| before.identity == identity)
            && let Some(member) = self.known(name)
        {
            member.retire().await;
        }
        let candidate = match self.opened(call, name, &wish.spec, time).await {
            Ok(candidate) => candidate,
            Err(error) => {
                self.restore(name, before).await;
                return Err(error);
            }
        };
        let checked = match self.check_store(call, name, &candidate.health).await {
            Ok(()) => self.check_flavor_of(call, name, wish, &candidate.capabilities).await,
            refused => refused,
        };
        match checked {
            Ok(()) => Ok(candidate),
            Err(error) => {
                self.discard(name, candidate, before).await;
                Err(error)
            }
        }
    }

    /// A store that lives and dies with this process would be empty when it is opened anew.
    async fn check_kept(&self, call: &Call, name: &str) -> Result<()> {
        let stated = self.known(name).and_then(|member| member.pool().ok()).and_then(|pool| pool.capabilities());
        if stated.is_some_and(|stated| !stated.is_kept()) && holds_queues(&self.catalog, call, name).await? {
            let text = "This pool keeps messages in memory alone; with another uri or options it would be empty. Delete its queues first.";
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        Ok(())
    }

    /// A store that has answered in time, and what it states.
    async fn opened(&self, call: &Call, name: &str, spec: &PoolSpec, time: Duration) -> Result<Candidate> {
        let refused = |error: sdk::Error| {
            // The client reads the plugin's words; the system's are for the log, under the request's id.
            let request = call.request_id();
            tracing::warn!(%error, %request, pool = name, "a pool is refused: its store cannot be used");
            Error::body(format!("cannot connect to URI: {}", error.message)).detail(error.detail)
        };
        let begun = Instant::now();
        let pool = open(&*self.opener, name, spec, time).await.map_err(refused)?;
        let left = time.saturating_sub(begun.elapsed()).max(LEAST);
        let late = |_| Err(sdk::Error::unavailable("the store does not answer"));
        let health = timeout(left, pool.health(call)).await.unwrap_or_else(late);
        let stated = pool.capabilities().ok_or_else(|| sdk::Error::internal("the plugin panicked"));
        match health.and_then(|health| Ok((health, stated?))) {
            Ok((health, stated)) => Ok(Candidate { pool: Some(pool), health, capabilities: names(&stated) }),
            Err(error) => {
                // Whoever does not answer may not end either.
                let name = name.to_owned();
                lock(&self.closing).spawn(async move { close(&name, &pool).await });
                Err(refused(error))
            }
        }
    }

    /// Stores that say which they are can be told apart where their URIs differ in more than the spelling.
    async fn check_store(&self, call: &Call, name: &str, health: &Health) -> Result<()> {
        let Some(store) = health.store() else { return Ok(()) };
        if let Some(other) = pool_of_store(&self.catalog, call, &said_by(&to_hex(store))).await?
            && other != name
        {
            return Err(in_use(&other));
        }
        // Another host may have deleted the one that was this store.
        self.refresh(call, Instant::now().into_std()).await?;
        let same = |member: &Member| member.name() != name && member.store().is_some_and(|other| *other == *store);
        self.all().into_iter().find(|member| same(member)).map_or(Ok(()), |member| Err(in_use(member.name())))
    }

    async fn check_flavor_of(&self, call: &Call, name: &str, wish: &Wish, capabilities: &[String]) -> Result<()> {
        let Some(flavor) = &wish.flavor else { return Ok(()) };
        let others = stored_pools(&self.catalog, call).await?;
        let mut others = others.iter().filter(|other| other.name != name && other.flavor.as_ref() == Some(flavor));
        if others.all(|other| other.capabilities == capabilities) {
            return Ok(());
        }
        let text = "The pool being added does not support the minimum set of capabilities";
        Err(Error::new(ErrorKind::PoolNotCreated, text))
    }

    async fn store(&self, call: &Call, pool: StoredPool, before: Option<&StoredPool>) -> Result<Option<StoredPool>> {
        let revision = store_pool(&self.catalog, call, &pool, before).await?;
        Ok(revision.map(|revision| StoredPool { revision, ..pool }))
    }

    /// The pool is stored: from now on this host uses it as it is.
    async fn put(&self, stored: &StoredPool, candidate: Candidate) {
        tracing::info!(pool = stored.name, weight = stored.weight, flavor = stored.flavor, "the pool is registered");
        let known = self.known(&stored.name).filter(|member| member.spec() == Some(&stored.spec));
        let member = match (candidate.pool, known) {
            (Some(pool), _) => {
                let member = Member::opened(&stored.name, Some(stored.spec.clone()), stored.terms(), pool);
                member.noted(candidate.health);
                member
            }
            (None, Some(member)) => {
                member.set_terms(stored.terms());
                return;
            }
            (None, None) => Member::registered(stored, self.opener.clone()),
        };
        self.install(member).await;
    }

    /// Nothing was stored: what was opened is closed, and what was closed for it is opened again.
    async fn discard(&self, name: &str, candidate: Candidate, before: Option<&StoredPool>) {
        if let Some(pool) = candidate.pool {
            close(name, &pool).await;
        }
        self.restore(name, before).await;
    }

    async fn restore(&self, name: &str, before: Option<&StoredPool>) {
        let is_closed = self.known(name).is_some_and(|member| member.is_retired());
        if let Some(before) = before.filter(|_| is_closed) {
            self.install(Member::registered(before, self.opener.clone())).await;
        }
    }
}

fn in_use(by: &str) -> Error {
    let by = if by == DEFAULT { "the default pool".to_owned() } else { format!("the pool {by}") };
    Error::new(ErrorKind::Conflict, format!("The database URI is in use by another pool. It is that of {by}."))
}

fn names(stated: &sdk::Capabilities) -> Vec<String> {
    stated.names().into_iter().map(str::to_owned).collect()
}
