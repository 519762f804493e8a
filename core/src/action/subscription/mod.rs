//! Subscriptions of queues and topics (spec: REST §6).

pub(super) mod confirm;
pub(super) mod create;
pub(super) mod delete;
mod draft;
pub(super) mod get;
pub(super) mod list;
pub(super) mod update;

use std::sync::Arc;

use sukkal_plugin_sdk::{Request, Timestamp};

use crate::answer::SubscriptionView;
use crate::directory::{Queue, Subscription};
use crate::engine::Context;
use crate::error::{Error, Result};
use crate::name::Named;

/// The queue as the catalog has it: with subscriptions an old record is no help, since no pool
/// refuses it.
async fn queue(context: &Context<'_>, request: &Request) -> Result<Option<Arc<Queue>>> {
    context.service.directory.read(context.call, Named::of(request)).await
}

fn view(subscription: Subscription, now: Timestamp) -> SubscriptionView {
    let Subscription { id, subscriber, ttl, since, options, confirmed } = subscription;
    SubscriptionView { id, subscriber, ttl, age: now.since(since).as_secs(), options, confirmed }
}

/// The refusal of what needs a subscription that is there.
fn no_subscription(request: &Request) -> Error {
    Error::not_found(format!("Subscription {} does not exist", request.item()))
}
