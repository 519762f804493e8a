//! What the broken pool remembers to be wrong about it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::{Batch, Claimed, Lane, Message, Place, QueueId, QueueRef};
use tokio::sync::OnceCell;

/// What the broken pool remembers.
#[derive(Default)]
pub struct State {
    /// How many claims there were.
    pub claims: AtomicU32,
    places: AtomicU64,
    queues: Mutex<Queues>,
}

#[derive(Default)]
struct Queues {
    first: Option<QueueRef>,
    epochs: HashMap<QueueId, u64>,
    fences: HashMap<(QueueId, u32), u64>,
    newest: HashMap<QueueId, Place>,
    answers: HashMap<QueueId, Arc<OnceCell<Claimed>>>,
    read: HashMap<QueueId, Vec<Message>>,
}

impl State {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place that this opening of the pool has not given yet.
    pub fn next_place(&self) -> Place {
        Place(self.places.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A queue's header has this epoch now.
    pub fn configured(&self, queue: &QueueRef) {
        let mut queues = self.queues();
        queues.first.get_or_insert_with(|| queue.clone());
        queues.epochs.insert(queue.id(), queue.epoch());
    }

    /// A message was posted to this place.
    pub fn posted(&self, queue: &QueueRef, place: Place) {
        self.queues().newest.insert(queue.id(), place);
    }

    /// The last place that a message was posted to.
    pub fn newest(&self, queue: &QueueRef) -> Place {
        self.queues().newest.get(&queue.id()).copied().unwrap_or_default()
    }

    /// The answer that claims from a queue wait for at present.
    pub fn answer(&self, queue: &QueueRef) -> Arc<OnceCell<Claimed>> {
        self.queues().answers.entry(queue.id()).or_default().clone()
    }

    /// The next claim is answered anew.
    pub fn answered(&self, queue: &QueueRef) {
        self.queues().answers.remove(&queue.id());
    }

    /// Adds what was read before and is not there any more since it has expired.
    pub fn read_before(&self, queue: &QueueRef, batch: &mut Batch) {
        let mut queues = self.queues();
        let read = queues.read.entry(queue.id()).or_default();
        read.retain(|message| !batch.messages.iter().any(|known| known.place == message.place));
        let expired = read.iter().filter(|message| message.expires <= batch.now).cloned().collect::<Vec<_>>();
        read.extend(batch.messages.iter().cloned());
        batch.messages.extend(expired);
        batch.messages.sort_unstable_by_key(|message| message.place);
    }

    /// All queues with a header.
    pub fn all(&self) -> Vec<QueueRef> {
        self.queues().epochs.iter().map(|(id, epoch)| QueueRef::new(*id, *epoch, Vec::new())).collect()
    }

    /// A lane's lease has this fence now.
    pub fn leased(&self, queue: &QueueRef, lane: Lane, fence: u64) {
        self.queues().fences.insert((queue.id(), lane.code()), fence);
    }

    /// The newest fence of a lane.
    pub fn fence(&self, queue: &QueueRef, lane: Lane) -> Option<u64> {
        self.queues().fences.get(&(queue.id(), lane.code())).copied()
    }

    /// The queue that a call acts on.
    pub fn meant(&self, case: &str, queue: &QueueRef) -> QueueRef {
        let queues = self.queues();
        match case {
            // All queues are one.
            "pool.order.queues_apart" => queues.first.clone().unwrap_or_else(|| queue.clone()),
            // A host that knows more than the pool is taken at the pool's word.
            "pool.epoch.ahead" => {
                let known = queues.epochs.get(&queue.id()).copied().unwrap_or(queue.epoch());
                QueueRef::new(queue.id(), queue.epoch().min(known), queue.placement().to_vec())
            }
            _ => queue.clone(),
        }
    }
}
