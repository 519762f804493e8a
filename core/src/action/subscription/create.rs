//! `subscription_create`: subscribes to a queue, which is made if need be.

use sukkal_plugin_sdk::Request;

use super::draft;
use crate::action::optional_body;
use crate::answer::{Answer, Object, Subscribing};
use crate::directory::{NewSubscription, Subscribed};
use crate::engine::Context;
use crate::error::{Error, Result};
use crate::name::Named;
use crate::session::{self, Session};
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let new = decode(context, request)?;
    let connection = context.connection.filter(|connection| new.subscriber == connection.subscriber());
    if let Some(connection) = connection {
        connection.has_room(context.service, context.call).await?;
    }
    let subscribed = context.service.directory.subscribe(context.call, Named::of(request), new).await?;
    if let Some(connection) = connection {
        // Also one that was made by a request that failed after that.
        let (Subscribed::Made(own) | Subscribed::Was(own)) = &subscribed;
        ends_with(context, connection, request, &own.id).await?;
    }
    Ok(match subscribed {
        Subscribed::Made(made) => Answer::Subscribed(made.id, Subscribing::Made),
        Subscribed::Was(was) if was.confirmed => Answer::Subscribed(was.id, Subscribing::Confirmed),
        Subscribed::Was(was) => Answer::Subscribed(was.id, Subscribing::Unconfirmed),
    })
}

/// A subscription to a connection ends with it, also where that has ended in the meantime.
async fn ends_with(context: &Context<'_>, connection: &Session, request: &Request, id: &str) -> Result<(), Stop> {
    // Without its queue it is gone by itself.
    let queue = context.service.directory.find(context.call, Named::of(request)).await?;
    if let Some(queue) = queue.filter(|queue| !connection.subscribes(queue, id)) {
        tokio::spawn(session::unsubscribe(context.service.clone(), queue, id.to_owned()));
    }
    Ok(())
}

fn decode(context: &Context<'_>, request: &Request) -> Result<NewSubscription> {
    let object = optional_body(request).map(draft::object).transpose()?.unwrap_or_default();
    let draft = draft::read(&without_empty(object, context), context.notifications(), context.service.now())?;
    let subscriber = match (draft.subscriber, context.connection) {
        (Some(subscriber), _) => subscriber,
        (None, Some(connection)) => connection.subscriber().to_owned(),
        (None, None) => return Err(Error::value("Missing parameter subscriber in body.")),
    };
    let ttl = draft.ttl.unwrap_or(context.limits().default_subscription_ttl);
    Ok(NewSubscription { subscriber, ttl, options: draft.options.unwrap_or_default() })
}

/// On a connection that can be a subscriber itself an empty subscriber means the same as none (spec:
/// websocket, subscription_create).
fn without_empty(mut object: Object, context: &Context<'_>) -> Object {
    if context.connection.is_some() && object.get("subscriber").is_some_and(|subscriber| *subscriber == "") {
        object.shift_remove("subscriber");
    }
    object
}
