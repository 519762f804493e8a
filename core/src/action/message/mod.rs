//! Messages (spec: REST §4).

pub(super) mod delete;
pub(super) mod delete_many;
mod draft;
pub(super) mod get;
pub(super) mod get_many;
mod idempotency;
pub(super) mod list;
mod pop;
pub(super) mod post;
pub(super) mod view;

use sukkal_plugin_sdk::{MessageId, Place, QueueId};

/// The places of those ids that are a queue's. What is no id, or another queue's, names nothing here.
fn places(ids: &[&str], queue: QueueId) -> Vec<Place> {
    ids.iter().filter_map(|id| place(id, queue)).collect()
}

/// The place of an id, if it is a queue's.
fn place(id: &str, queue: QueueId) -> Option<Place> {
    id.parse().ok().filter(|id: &MessageId| id.queue == queue).map(|id| id.place)
}
