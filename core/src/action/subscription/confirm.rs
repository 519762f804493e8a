//! `subscription_confirm`: whether the subscriber wants to be notified.

use serde_json::Value;
use sukkal_plugin_sdk::Request;

use super::{no_subscription, queue};
use crate::action::optional_body;
use crate::answer::Answer;
use crate::directory::{Changed, SubscriptionChange};
use crate::engine::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let change = SubscriptionChange { confirmed: Some(decode(request)?), ..SubscriptionChange::default() };
    let Some(queue) = queue(context, request).await? else { return Err(no_subscription(request).into()) };
    let directory = &context.service.directory;
    match directory.change_subscription(context.call, &queue, request.item(), change).await? {
        Changed::To(_) => Ok(Answer::SubscriptionConfirmed),
        _ => Err(no_subscription(request).into()),
    }
}

fn decode(request: &Request) -> Result<bool> {
    let no_boolean = || Error::value("The 'confirmed' should be boolean.");
    match json::document(optional_body(request).ok_or_else(no_boolean)?)? {
        Value::Object(object) => object.get("confirmed").and_then(Value::as_bool).ok_or_else(no_boolean),
        _ => {
            let text = format!("Subscription {} could not be confirmed.", request.item());
            Err(Error::new(ErrorKind::SubscriptionNotConfirmed, text))
        }
    }
}
