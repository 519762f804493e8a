//! What an action is to do with a body that is longer than it may be.

use sukkal_plugin_sdk::{Action, Request};

use super::queue;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::name::Named;

/// The refusal of a request whose transport has found its body too long, and did not keep it. `None`: a post
/// measures its own, and many actions have no use for a body.
pub(super) fn too_long(request: &Request, limits: &Limits) -> Option<Error> {
    match request.action() {
        Action::QueueCreate | Action::TopicCreate | Action::QueueUpdate | Action::TopicUpdate => {
            Some(queue::too_large(Named::of(request).kind, limits, ErrorKind::BadValue))
        }
        Action::PoolCreate | Action::PoolUpdate | Action::FlavorCreate | Action::FlavorUpdate => {
            Some(too_large(limits.max_queue_metadata))
        }
        Action::QueuePurge
        | Action::TopicPurge
        | Action::QueueShare
        | Action::ClaimCreate
        | Action::ClaimUpdate
        | Action::SubscriptionCreate
        | Action::SubscriptionUpdate
        | Action::SubscriptionConfirm => Some(too_large(limits.max_body())),
        _ => None,
    }
}

/// The refusal of a body that is longer than this.
pub(super) fn too_large(max: u64) -> Error {
    Error::body(format!("The body is too large. Max size: {max}"))
}
