//! `queue_purge`, `topic_purge`: empties a queue.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sukkal_plugin_sdk::{Budget, Request};

use crate::action::optional_body;
use crate::answer::Answer;
use crate::directory::Queue;
use crate::engine::Context;
use crate::error::{Error, Result};
use crate::json;
use crate::name::Named;
use crate::stop::Stop;

/// One step: short, so that other requests of the pool come in between.
const STEP: Budget = Budget { items: 1_000, time: Duration::from_millis(50) };

/// What a queue can be emptied of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    Messages,
    Subscriptions,
}

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let resources = decode(request)?;
    let Some(queue) = context.service.directory.read(context.call, Named::of(request)).await? else {
        return Ok(Answer::Purged);
    };
    if resources.contains(&Resource::Subscriptions) {
        purge_subscriptions(context, &queue).await?;
    }
    if resources.contains(&Resource::Messages) {
        purge_messages(context, queue).await?;
    }
    Ok(Answer::Purged)
}

/// Repeats steps until there are none, or the request's deadline ends them.
async fn purge_subscriptions(context: &Context<'_>, queue: &Queue) -> Result<(), Stop> {
    let (directory, call) = (&context.service.directory, context.call);
    while directory.remove_subscriptions(call, call.project(), queue.id()).await? {}
    Ok(())
}

/// Repeats steps until the pool is done, or the request's deadline ends them.
async fn purge_messages(context: &Context<'_>, queue: Arc<Queue>) -> Result<(), Stop> {
    let (directory, call) = (&context.service.directory, context.call);
    loop {
        let step = directory.on(call, queue.clone(), |queue| async move {
            let pool = queue.pool()?;
            directory.until_known(call, || pool.purge(call, &queue.reference, STEP)).await
        });
        if step.await?.is_none_or(|progress| progress.done) {
            return Ok(());
        }
    }
}

fn decode(request: &Request) -> Result<Vec<Resource>> {
    let Some(body) = optional_body(request) else {
        return Ok(vec![Resource::Messages, Resource::Subscriptions]);
    };
    let no_key = || Error::value("Post body must contain key \"resource_types\".");
    let no_subset = || Error::value("Resource types must be a sub set of {'messages', 'subscriptions'}.");
    let document = json::document(body)?;
    let types = document.as_object().and_then(|object| object.get("resource_types")).ok_or_else(no_key)?;
    let resource = |name: &Value| match name.as_str() {
        Some("messages") => Ok(Resource::Messages),
        Some("subscriptions") => Ok(Resource::Subscriptions),
        _ => Err(no_subset()),
    };
    types.as_array().ok_or_else(no_subset)?.iter().map(resource).collect()
}
