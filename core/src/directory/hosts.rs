//! Hosts that have connections which are subscribers (spec: websocket, subscription_create). Such a subscriber names its
//! host, and is there only as long as that lives: each of those hosts has a record, which ends by itself unless it is
//! renewed. So nothing need be tidied up after a host that was killed.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sukkal_plugin_sdk::{Bytes, Call, Change, Expect, Extensions, RecordKey, Write};
use tokio::time::Instant;

use super::{Directory, Subscription};
use crate::error::Result;

/// The kind of their records: no project, named by the host's id.
const HOST: &str = "host";
/// How long a host counts as alive after it has said so, on the catalog's clock.
const LIFE: Duration = Duration::from_secs(30);
/// How often it says so.
const OFTEN: Duration = Duration::from_secs(10);
/// How many are asked for at once.
const TOGETHER: usize = 100;
/// What stands before the host's id in the subscriber that a connection is.
const CONNECTION: &str = "websocket://";

/// This host, as the others know it.
pub(super) struct OwnHost {
    id: String,
    /// When it has said last that it lives; none: it never had to.
    told: Mutex<Option<Instant>>,
}

impl OwnHost {
    pub(super) fn new(id: String) -> Self {
        OwnHost { id, told: Mutex::default() }
    }

    fn told(&self) -> Option<Instant> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// Says again that this host lives, if it has said so before and that was a while ago.
    pub(crate) async fn lives_on(&self, call: &Call) -> Result<()> {
        match self.host.told() {
            Some(_) => self.lives(call).await,
            None => Ok(()),
        }
    }

    /// Makes sure that other hosts believe a subscriber to be there, if it is a connection of this one.
    pub(super) async fn vouch_for(&self, call: &Call, subscriber: &str) -> Result<()> {
        match host_of(subscriber) {
            Some(host) if host == self.host.id => self.lives(call).await,
            _ => Ok(()),
        }
    }

    async fn lives(&self, call: &Call) -> Result<()> {
        if self.host.told().is_some_and(|told| told.elapsed() < OFTEN) {
            return Ok(());
        }
        let now = Instant::now();
        let write = Write::Put { value: Bytes::new(), expires_in: Some(LIFE), extensions: Extensions::new() };
        self.commit(call, vec![Change { key: key(&self.host.id), expect: Expect::Any, write }]).await?;
        *self.host.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }

    /// Whether a subscriber can be there: a connection is gone with its host.
    pub(super) async fn can_be_there(&self, call: &Call, subscriber: &str) -> Result<bool> {
        match host_of(subscriber) {
            // It ends its own ones by itself.
            Some(host) if host != self.host.id => Ok(self.catalog.get(call, key(host)).await?.is_some()),
            _ => Ok(true),
        }
    }

    /// Those of these subscriptions whose subscribers can be there.
    pub(super) async fn of_those_there(&self, call: &Call, all: Vec<Subscription>) -> Result<Vec<Subscription>> {
        let other = |subscription: &Subscription| {
            host_of(&subscription.subscriber).filter(|host| *host != self.host.id).map(str::to_owned)
        };
        let hosts: BTreeSet<String> = all.iter().filter_map(other).collect();
        if hosts.is_empty() {
            return Ok(all);
        }
        let mut live = HashSet::new();
        for some in hosts.iter().collect::<Vec<_>>().chunks(TOGETHER) {
            live.extend(self.there(call, some.iter().map(|host| key(host)).collect()).await?);
        }
        Ok(all.into_iter().filter(|one| other(one).is_none_or(|host| live.contains(&key(&host)))).collect())
    }
}

/// The host whose connection a subscriber is, if it is one.
fn host_of(subscriber: &str) -> Option<&str> {
    subscriber.strip_prefix(CONNECTION)?.split('/').next()
}

fn key(host: &str) -> RecordKey {
    RecordKey::new(HOST, "", host)
}
