//! `subscription_update`: another subscriber, life, or options.

use sukkal_plugin_sdk::Request;

use super::draft::{self, Draft};
use super::{no_subscription, queue};
use crate::action::optional_body;
use crate::answer::Answer;
use crate::directory::{Changed, SubscriptionChange};
use crate::engine::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let change = decode(context, request)?;
    let Some(queue) = queue(context, request).await? else { return Err(no_subscription(request).into()) };
    let directory = &context.service.directory;
    match directory.change_subscription(context.call, &queue, request.item(), change).await? {
        Changed::To(_) => Ok(Answer::SubscriptionUpdated),
        Changed::Missing => Err(no_subscription(request).into()),
        Changed::Taken => Err(Error::new(ErrorKind::Conflict, TAKEN).into()),
    }
}

const TAKEN: &str = "Such subscription already exists. Subscriptions are unique by project + queue + subscriber URI.";

fn decode(context: &Context<'_>, request: &Request) -> Result<SubscriptionChange> {
    let nothing = || Error::value("No subscription to create.");
    let object = draft::object(optional_body(request).ok_or_else(nothing)?)?;
    if object.is_empty() {
        return Err(nothing());
    }
    let Draft { subscriber, ttl, options } = draft::read(&object, context.notifications(), context.service.now())?;
    if subscriber.is_none() && ttl.is_none() && options.is_none() {
        let text = format!("Subscription {} could not be updated.", request.item());
        return Err(Error::new(ErrorKind::SubscriptionNotUpdated, text));
    }
    Ok(SubscriptionChange { subscriber, ttl, options, confirmed: None })
}
