//! Stores that pools can be registered of: one for each URI, which outlives who opens it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::load::OpenPool;
use sukkal_plugin_sdk::{Bytes, Capabilities, Error};

use super::stores::{Headers, Messages};
use crate::pools::{Opening, PoolOpener, PoolSpec};

/// All stores.
#[derive(Clone, Default)]
pub(super) struct Stores(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    open: BTreeMap<String, OpenPool>,
    down: BTreeSet<String>,
    headers: Headers,
}

impl Stores {
    /// Says whether a store can be opened.
    pub(super) fn set_down(&self, uri: &str, down: bool) {
        let mut held = self.lock();
        if down {
            held.down.insert(uri.to_owned())
        } else {
            held.down.remove(uri)
        };
    }

    /// What becomes of their headers.
    pub(super) fn headers(&self) -> Headers {
        self.lock().headers.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolOpener for Stores {
    fn open(&self, _name: &str, spec: &PoolSpec) -> Opening {
        let mut held = self.lock();
        let opened = match held.down.contains(&spec.uri) {
            true => Err(Error::unavailable("the store is down")),
            false => {
                let durability = spec.uri.starts_with("durable:");
                let stated = Capabilities { durability, ..Capabilities::default() };
                // `says-s:1` and `says-s:2` are one store that says that it is `s`.
                let store = spec.uri.strip_prefix("says-").and_then(|uri| uri.split_once(':'));
                let store = store.map(|(store, _)| Bytes::from(store.to_owned()));
                let messages = Messages::with(held.headers.clone()).stating(stated).saying(store);
                let store = held.open.entry(spec.uri.clone()).or_insert_with(|| OpenPool::new(messages));
                Ok(store.clone())
            }
        };
        Box::pin(async { opened })
    }

    fn check(&self, spec: &PoolSpec) -> Result<(), String> {
        spec.options.keys().next().map_or(Ok(()), |key| Err(format!("options.{key} is not known")))
    }

    fn identity(&self, uri: &str) -> String {
        uri.to_ascii_lowercase()
    }

    fn default_identity(&self) -> Option<String> {
        Some("the-default:".to_owned())
    }

    fn shown(&self, spec: &PoolSpec) -> PoolSpec {
        PoolSpec { uri: spec.uri.replace("secret", "***"), ..spec.clone() }
    }

    fn meant(&self, sent: PoolSpec, stored: Option<&PoolSpec>) -> Result<PoolSpec, String> {
        match stored.filter(|stored| self.shown(stored).uri == sent.uri) {
            Some(stored) => Ok(PoolSpec { uri: stored.uri.clone(), ..sent }),
            None if sent.uri.ends_with("***") => Err("the secret is not stored".to_owned()),
            None => Ok(sent),
        }
    }
}
