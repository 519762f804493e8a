//! `check_node_health`: every pool is used as clients use it (spec: REST §2).

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use sukkal_plugin_sdk::load::OpenPool;
use sukkal_plugin_sdk::{
    self as sdk, Budget, Call, ClaimId, Delete, Extensions, Guard, Header, List, NewClaim, NewMessage, Place, Post,
    QueueId, QueueRef, Release,
};
use tokio::task::JoinSet;

use crate::answer::{Answer, Object};
use crate::engine::Context;
use crate::pools::{DEFAULT, Member};
use crate::random::random_uuid;

/// The entries that are not called after a registered pool.
const CATALOG: &str = "catalog_reachable";
const DEFAULT_POOL: &str = "default_pool";
/// How long what a trial stores would live, if the host died meanwhile.
const LIFE: Duration = Duration::from_secs(60);
/// How long one operation may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// One step of removing it.
const STEP: Budget = Budget { items: 100, time: Duration::from_millis(50) };

pub(crate) async fn run(context: &Context<'_>) -> Answer {
    let service = context.service;
    let silent = service.silent().await;
    let mut trials = JoinSet::new();
    for member in service.pools.all() {
        let call = Call::new(context.call.request_id(), "", context.call.deadline());
        let reachable = !silent.iter().any(|store| store.is_pool(member.name()));
        trials.spawn(async move { (member.name().to_owned(), tried(&member, &call, reachable).await) });
    }
    let mut pools: BTreeMap<String, Object> = trials.join_all().await.into_iter().collect();
    if !service.pools.is_pooled() {
        let none = || Object::from_iter([("operation_status".to_owned(), Object::new().into())]);
        let mut health = pools.remove(DEFAULT).unwrap_or_else(none);
        health.insert("storage_reachable".to_owned(), silent.is_empty().into());
        return Answer::Health(health);
    }
    let mut health = Object::new();
    health.insert(CATALOG.to_owned(), silent.iter().all(|store| !store.is_catalog()).into());
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
async fn tried(member: &Member, call: &Call, reachable: bool) -> Object {
    let mut operations = Object::new();
    if let Ok(pool) = member.pool() {
        let mut trial = Trial::of(&pool, member.title(), call);
        // What failed is told; whatever was made is removed all the same.
        let _ = trial.run().await;
        operations = trial.operations;
    }
    let mut health = Object::new();
    health.insert("storage_reachable".to_owned(), reachable.into());
    health.insert("operation_status".to_owned(), operations.into());
    let warnings = member.warnings();
    if !warnings.is_empty() {
        health.insert("warnings".to_owned(), warnings.to_vec().into());
    }
    health
}

/// A queue of its own in one pool, which no catalog knows.
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

    /// Each operation in turn, until one fails: what follows depends on it.
    async fn run(&mut self) -> Option<()> {
        let (pool, call, queue) = (self.pool, self.call, self.queue.clone());
        self.step("create_queue", pool.configure(call, &queue, Header { epoch: 1, ..Header::default() })).await?;
        let used = self.use_it(&queue).await;
        let gone = Header { epoch: 2, dropping: true, ..Header::default() };
        let dropped = async {
            pool.configure(call, &queue, gone).await?;
            let queue = QueueRef::new(queue.id(), 2, queue.placement().to_vec());
            while !pool.drop_queue(call, &queue, STEP).await?.done {}
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

    /// Notes whether an operation succeeds and how long it takes. A failure has a reference, under
    /// which the log says why.
    async fn step<T>(&mut self, operation: &str, doing: impl Future<Output = sdk::Result<T>>) -> Option<T> {
        let begun = Instant::now();
        let late = |_| Err(sdk::Error::new(sdk::ErrorKind::TimedOut, "no answer in time"));
        let outcome = tokio::time::timeout(PATIENCE, doing).await.unwrap_or_else(late);
        let seconds = begun.elapsed().as_secs_f64();
        let reference = outcome.as_ref().err().map(|error| {
            let reference = random_uuid().to_string();
            tracing::warn!(%error, reference, operation, pool = self.name, "a pool failed at its trial");
            reference
        });
        let status = json!({ "succeeded": outcome.is_ok(), "seconds": seconds, "ref": reference });
        self.operations.insert(operation.to_owned(), status);
        outcome.ok()
    }
}
