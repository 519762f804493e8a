//! The pools of this host by name, as the catalog lists them (spec: pools and flavors).
//!
//! What is known here is about a second old at the most: whoever makes a queue, and the janitor, read the
//! catalog's list again. It is never wrong for a queue, since the commit that makes one holds only if
//! its pool's record is still the one that was chosen by ([`Directory::moves_in`]).
//!
//! [`Directory::moves_in`]: crate::directory::Directory::moves_in

mod default_store;
mod member;
mod opener;
mod register;
mod remove;
mod stores;
mod turns;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use sukkal_plugin_sdk::Call;
use sukkal_plugin_sdk::load::{OpenCatalog, OpenPool};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub use self::member::{Member, Opened, State, Terms};
pub use self::opener::{Opening, PoolOpener, PoolSpec};
pub use self::register::Wish;
use self::turns::Turns;
use crate::directory::{flavor_exists, stored_pools};
use crate::error::{Error, ErrorKind, Result};
use crate::placement;

/// The name under which queues' records know the configured default pool.
pub const DEFAULT: &str = "";

/// How old what is known may be when a queue is placed by it.
const FRESH: Duration = Duration::from_millis(800);
/// How long the making of a queue waits for pools that are being opened.
const BEING_OPENED: Duration = Duration::from_millis(500);
/// How long the catalog may take to list the pools: others wait for that.
const READING: Duration = Duration::from_secs(5);

/// The pools of this host.
pub struct Pools {
    default: Option<Arc<Member>>,
    catalog: OpenCatalog,
    opener: Arc<dyn PoolOpener>,
    known: ArcSwap<Known>,
    /// Held by whoever changes `known`.
    turn: tokio::sync::Mutex<()>,
    /// Pools that are being registered here: what the catalog says of them counts afterwards.
    registering: Turns,
    /// Stores that pools are being registered with here, by identity: who comes second waits, and finds whose it is.
    stores: Turns,
    /// Pools that are being closed.
    closing: Mutex<JoinSet<()>>,
}

/// The registered pools as the catalog listed them.
#[derive(Default)]
struct Known {
    members: BTreeMap<String, Arc<Member>>,
    /// When the catalog was asked; none: never yet.
    read: Option<Instant>,
}

impl Pools {
    /// Knows the default pool alone, until the catalog is asked.
    pub fn new(default: Option<OpenPool>, catalog: OpenCatalog, opener: Arc<dyn PoolOpener>) -> Self {
        let default = default.map(|pool| Member::opened(DEFAULT, None, Terms::default(), pool));
        Pools {
            default,
            catalog,
            opener,
            known: ArcSwap::default(),
            turn: tokio::sync::Mutex::default(),
            registering: Turns::default(),
            stores: Turns::default(),
            closing: Mutex::default(),
        }
    }

    /// What opens pools.
    pub fn opener(&self) -> &dyn PoolOpener {
        &*self.opener
    }

    /// The pool of a name that a queue's record has; one that cannot be used where there is none. A
    /// pool that another host has registered is found, and opened.
    pub async fn get(&self, call: &Call, name: &str) -> Result<Arc<Member>> {
        if name == DEFAULT {
            return Ok(self.default.clone().unwrap_or_else(|| Member::missing(name)));
        }
        let known = self.known(name);
        let member = match known {
            Some(member) => member,
            None => {
                self.refresh(call, Instant::now()).await?;
                self.known(name).unwrap_or_else(|| Member::missing(name))
            }
        };
        member.tried().await;
        Ok(member)
    }

    /// The pool for a new queue, by flavor and weight.
    ///
    /// # Errors
    /// `BadValue`: there is no such flavor. `Unavailable`: no pool can be chosen.
    pub async fn choose(&self, call: &Call, flavor: Option<&str>) -> Result<Arc<Member>> {
        if let Some(flavor) = flavor
            && !flavor_exists(&self.catalog, call, flavor).await?
        {
            return Err(Error::value(format!("Flavor {flavor} does not exist")));
        }
        self.refresh_if_old(call).await?;
        if let Some(member) = self.known_of(flavor).await {
            return Ok(member);
        }
        if self.default.is_none() || flavor.is_some() {
            // Another host may have registered one a moment ago.
            self.refresh(call, Instant::now()).await?;
            if let Some(member) = self.known_of(flavor).await {
                return Ok(member);
            }
        }
        match (flavor, &self.default) {
            (None, Some(default)) => Ok(default.clone()),
            (None, None) => Err(Error::new(ErrorKind::Unavailable, "No pools registered.")),
            (Some(flavor), _) => {
                Err(Error::new(ErrorKind::Unavailable, format!("No pool of the flavor {flavor} can be chosen.")))
            }
        }
    }

    /// One of the known pools of a flavor, or of none, by weight.
    async fn known_of(&self, flavor: Option<&str>) -> Option<Arc<Member>> {
        let of_flavor = |member: &&Arc<Member>| member.terms().flavor.as_deref() == flavor;
        let candidates: Vec<_> = self.known.load().members.values().filter(of_flavor).cloned().collect();
        // Those that were heard of a moment ago are being opened: who cannot be is not chosen.
        let tried = async {
            for member in &candidates {
                member.tried().await
            }
        };
        let _ = tokio::time::timeout(BEING_OPENED, tried).await;
        placement::choose(&candidates).cloned()
    }

    /// Every pool of this host, open or not; the default pool first.
    pub fn all(&self) -> Vec<Arc<Member>> {
        let known = self.known.load();
        self.default.iter().chain(known.members.values()).cloned().collect()
    }

    /// Whether any pool is registered.
    pub fn is_pooled(&self) -> bool {
        !self.known.load().members.is_empty()
    }

    /// A registered pool, as far as this host has heard of it.
    pub fn known(&self, name: &str) -> Option<Arc<Member>> {
        self.known.load().members.get(name).cloned()
    }

    /// Reads the catalog again if what is known is old. A catalog that does not answer leaves it as it is.
    pub async fn refresh_if_old(&self, call: &Call) -> Result<()> {
        let read = self.known.load().read;
        if read.is_some_and(|read| read.elapsed() < FRESH) {
            return Ok(());
        }
        match self.refresh(call, Instant::now()).await {
            Err(error) if read.is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads the catalog's list, unless somebody has done so since an instant: new pools are opened,
    /// changed ones anew, and those that are gone are closed.
    pub async fn refresh(&self, call: &Call, since: Instant) -> Result<()> {
        let _turn = self.turn.lock().await;
        let known = self.known.load_full();
        if known.read.is_some_and(|read| read > since) {
            return Ok(());
        }
        let read = Some(Instant::now());
        let late = |_| Err(Error::new(ErrorKind::TimedOut, "The catalog does not answer."));
        let listed = tokio::time::timeout(READING, stored_pools(&self.catalog, call)).await.unwrap_or_else(late)?;
        let registering = self.registering.all();
        let mut members = BTreeMap::new();
        for stored in listed.into_iter().filter(|stored| !registering.contains(&stored.name)) {
            let is_same = |member: &&Arc<Member>| member.spec() == Some(&stored.spec) && !member.is_retired();
            let known = known.members.get(&stored.name).filter(is_same);
            let member = match known {
                Some(member) => {
                    member.set_terms(stored.terms());
                    member.clone()
                }
                None => Member::registered(&stored, self.opener.clone()),
            };
            members.insert(stored.name.clone(), member);
        }
        let kept = known.members.iter().filter(|(name, _)| registering.contains(*name));
        members.extend(kept.map(|(name, member)| (name.clone(), member.clone())));
        let gone = known
            .members
            .iter()
            .filter(|(name, member)| members.get(*name).is_none_or(|now| !Arc::ptr_eq(now, member)));
        let gone: Vec<_> = gone.map(|(_, member)| member.clone()).collect();
        self.known.store(Arc::new(Known { members, read }));
        gone.into_iter().for_each(|member| drop(self.retire(member)));
        Ok(())
    }

    /// Puts a member in the place of that of its name, or of none, and waits until that is closed: who
    /// asks for this may open its store again at once.
    async fn install(&self, member: Arc<Member>) {
        let name = member.name().to_owned();
        self.replace(&name, Some(member)).await;
    }

    /// Forgets a pool, and waits until it is closed.
    async fn forget(&self, name: &str) {
        self.replace(name, None).await;
    }

    async fn replace(&self, name: &str, by: Option<Arc<Member>>) {
        let turn = self.turn.lock().await;
        let known = self.known.load_full();
        let mut members = known.members.clone();
        let before = match by {
            Some(member) => members.insert(name.to_owned(), member),
            None => members.remove(name),
        };
        self.known.store(Arc::new(Known { members, read: known.read }));
        drop(turn);
        if let Some(before) = before {
            // The sender goes when it is closed.
            let _ = self.retire(before).await;
        }
    }

    /// Closes a pool: at once for whoever comes, and in the end beside what else is done. Tells when.
    fn retire(&self, member: Arc<Member>) -> oneshot::Receiver<()> {
        let opened = member.shut();
        let (done, told) = oneshot::channel();
        let mut closing = lock(&self.closing);
        while closing.try_join_next().is_some() {}
        closing.spawn(async move {
            member.end(opened).await;
            drop(done);
        });
        told
    }

    /// Closes every pool, each for a bounded time.
    pub async fn close(&self) {
        let mut closing = std::mem::take(&mut *lock(&self.closing));
        for member in self.all() {
            closing.spawn(async move { member.retire().await });
        }
        while closing.join_next().await.is_some() {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change of what is behind it is one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
