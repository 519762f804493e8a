//! `subscription_get`: one subscription.

use sukkal_plugin_sdk::Request;

use super::{no_subscription, queue, view};
use crate::answer::Answer;
use crate::engine::Context;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let Some(queue) = queue(context, request).await? else { return Err(no_subscription(request).into()) };
    match context.service.directory.subscription(context.call, &queue, request.item()).await? {
        Some(subscription) => Ok(Answer::Subscription(view(subscription, context.service.now()))),
        None => Err(no_subscription(request).into()),
    }
}
