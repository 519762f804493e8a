//! `check_node_health`: every pool is used as clients use it (spec: REST §2).

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use sukkal_plugin_sdk::load::{OpenCatalog, OpenPool};
use sukkal_plugin_sdk::{
    self as sdk, Budget, Call, Change, ClaimId, Delete, Expect, Extensions, Guard, Header, List, NewClaim, NewMessage,
    Place, Post, QueueId, QueueRef, Release, Timestamp, Write,
};
use tokio::task::JoinSet;

use crate::answer::{Answer, Object};
use crate::directory::Dropping;
use crate::engine::Context;
use crate::pools::{DEFAULT, Member};
use crate::random::random_uuid;

/// The entries that are not called after a registered pool.
const CATALOG: &str = "catalog_reachable";
const DEFAULT_POOL: &str = "default_pool";
/// What a trial begins with.
const FIRST: &str = "create_queue";
/// How long what a trial stores would live, if the host died meanwhile.
const LIFE: Duration = Duration::from_secs(60);
/// How long one operation may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a trial is left alone before a janitor removes what it has left.
const LEFT_ALONE: Duration = Duration::from_secs(60);
/// How long that is remembered, so that trials of a pool that is down for long do not pile up.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// One step of removing it.
const STEP: Budget = Budget { items: 100, time: Duration::from_millis(50) };

pub(crate) async fn run(context: &Context<'_>) -> Answer {
    let service = context.service;
    let silent = service.silent().await;
    let has_catalog = !silent.iter().any(|store| store.is_catalog());
    let mut trials = JoinSet::new();
    for member in service.pools.all() {
        let call = Call::new(context.call.request_id(), "", context.call.deadline());
        let reachable = !silent.iter().any(|store| store.is_pool(member.name()));
        let notes =
            Notes { catalog: has_catalog.then(|| service.catalog.clone()), until: service.now().after(LEFT_ALONE) };
        trials.spawn(async move { (member.name().to_owned(), tried(&member, &call, &notes, reachable).await) });
    }
    let mut pools: BTreeMap<String, Object> = trials.join_all().await.into_iter().collect();
    if !service.pools.is_pooled() {
        let none = || Object::from_iter([("operation_status".to_owned(), Object::new().into())]);
        let mut health = pools.remove(DEFAULT).unwrap_or_else(none);
        health.insert("storage_reachable".to_owned(), silent.is_empty().into());
        return Answer::Health(health);
    }
    let mut health = Object::new();
    health.insert(CATALOG.to_owned(), has_catalog.into());
    for (name, pool) in pools {
        let name = match name.as_str() {
            DEFAULT => DEFAULT_POOL.to_owned(),
            // No name of a pool has a space: neither entry hides the other.
            DEFAULT_POOL | CATALOG => format!("pool {name}"),
            _ => name,
        };
        health.insert(name, pool.into());
    }
    Answer::Health(health)
}

/// How a pool is, and how it does each operation.
async fn tried(member: &Member, call: &Call, notes: &Notes, reachable: bool) -> Object {
    let operations = match member.pool() {
        Ok(pool) => {
            let mut trial = Trial::of(&pool, member.title(), call);
            let remains = Dropping::of_unknown(&trial.ended(), member.name(), notes.until);
            notes.add(call, &remains).await;
            // What failed is told; whatever was made is removed all the same.
            if trial.run().await.is_some() {
                notes.remove(call, &remains).await;
            }
            trial.operations
        }
        Err(error) => {
            let status = status(member.title(), FIRST, Duration::ZERO, Some(&error));
            Object::from_iter([(FIRST.to_owned(), status)])
        }
    };
    let mut health = Object::new();
    health.insert("storage_reachable".to_owned(), reachable.into());
    health.insert("operation_status".to_owned(), operations.into());
    let warnings = member.warnings();
    if !warnings.is_empty() {
        health.insert("warnings".to_owned(), warnings.to_vec().into());
    }
    health
}

/// What trials may leave behind, where a pool or this host ends in the middle: janitors remove that.
struct Notes {
    /// None: it does not answer. Pools are tried all the same.
    catalog: Option<OpenCatalog>,
    until: Timestamp,
}

impl Notes {
    async fn add(&self, call: &Call, remains: &Dropping) {
        let Ok(value) = remains.to_bytes() else { return };
        let write = Write::Put { value, expires_in: Some(REMEMBERED), extensions: Extensions::new() };
        self.commit(call, Change { key: remains.key(), expect: Expect::Any, write }).await;
    }

    async fn remove(&self, call: &Call, remains: &Dropping) {
        self.commit(call, Change::delete(remains.key(), Expect::Any)).await;
    }

    async fn commit(&self, call: &Call, change: Change) {
        let Some(catalog) = &self.catalog else { return };
        match tokio::time::timeout(PATIENCE, catalog.commit(call, vec![change])).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "what a trial may leave could not be noted"),
            Err(_) => tracing::debug!("what a trial may leave could not be noted in time"),
        }
    }
}

/// A queue of its own in one pool, which has no record but a note.
struct Trial<'a> {
    pool: &'a OpenPool,
    name: &'a str,
    call: &'a Call,
    queue: QueueRef,
    operations: Object,
}

impl<'a> Trial<'a> {
    fn of(pool: &'a OpenPool, name: &'a str, call: &'a Call) -> Self {
        let id = QueueId(rand::random());
        let queue = QueueRef::new(id, 1, pool.place(id, None).unwrap_or_default());
        Trial { pool, name, call, queue, operations: Object::new() }
    }

    /// Its queue, as it ends.
    fn ended(&self) -> QueueRef {
        QueueRef::new(self.queue.id(), 2, self.queue.placement().to_vec())
    }

    /// Each operation in turn, until one fails: what follows depends on it. None where something may be left.
    async fn run(&mut self) -> Option<()> {
        let (pool, call, queue) = (self.pool, self.call, self.queue.clone());
        self.step(FIRST, pool.configure(call, &queue, Header { epoch: 1, ..Header::default() })).await?;
        let used = self.use_it(&queue).await;
        let ended = self.ended();
        let dropped = async {
            let gone = Header { epoch: ended.epoch(), dropping: true, ..Header::default() };
            pool.configure(call, &ended, gone).await?;
            while !pool.drop_queue(call, &ended, STEP).await?.done {}
            Ok(())
        };
        match used {
            Some(()) => self.step("delete_queue", dropped).await,
            None => tokio::time::timeout(PATIENCE, dropped).await.ok()?.ok(),
        }
    }

    async fn use_it(&mut self, queue: &QueueRef) -> Option<()> {
        let (pool, call, id) = (self.pool, self.call, ClaimId(rand::random()));
        let message = |body: &'static str| NewMessage {
            body: Bytes::from_static(body.as_bytes()),
            ttl: LIFE,
            delay: Duration::ZERO,
            extensions: Extensions::new(),
        };
        let post = Post { messages: ["1", "2", "3"].map(message).to_vec(), ..Post::default() };
        self.step("post_messages", pool.post(call, queue, post)).await?;
        let claim = NewClaim { id, limit: 2, ttl: LIFE, grace: LIFE, uncounted: false, extensions: Extensions::new() };
        let claimed = self.step("claim_messages", pool.claim(call, queue, claim)).await?.batch.messages;
        let list = List { limit: 10, claimed: true, ..List::default() };
        let listed = self.step("list_messages", pool.list(call, queue, list)).await?.messages;
        let first: Vec<Place> = claimed.first().map(|message| message.place).into_iter().collect();
        let delete = Delete { places: first, guard: Guard::Claim(id), ..Delete::default() };
        self.step("delete_messages", pool.delete(call, queue, delete)).await?;
        self.step("delete_claim", pool.claim_release(call, queue, id, Release::default())).await?;
        let places = listed.iter().map(|message| message.place).collect();
        self.step("bulk_delete_messages", pool.delete(call, queue, Delete { places, ..Delete::default() })).await?;
        Some(())
    }

    /// Notes how an operation went.
    async fn step<T>(&mut self, operation: &str, doing: impl Future<Output = sdk::Result<T>>) -> Option<T> {
        let begun = Instant::now();
        let late = |_| Err(sdk::Error::new(sdk::ErrorKind::TimedOut, "no answer in time"));
        let outcome = tokio::time::timeout(PATIENCE, doing).await.unwrap_or_else(late);
        let status = status(self.name, operation, begun.elapsed(), outcome.as_ref().err());
        self.operations.insert(operation.to_owned(), status);
        outcome.ok()
    }
}

/// Whether an operation succeeded, and how long it took. A failure has a reference, under which the log says why.
fn status(pool: &str, operation: &str, took: Duration, failure: Option<&sdk::Error>) -> Value {
    let reference = failure.map(|error| {
        let reference = random_uuid().to_string();
        tracing::warn!(%error, reference, operation, pool, "a pool failed at its trial");
        reference
    });
    json!({ "succeeded": failure.is_none(), "seconds": took.as_secs_f64(), "ref": reference })
}
