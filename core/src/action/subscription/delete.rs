//! `subscription_delete`: ends a subscription, if it is there.

use sukkal_plugin_sdk::Request;

use super::queue;
use crate::answer::Answer;
use crate::engine::Context;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    if let Some(queue) = queue(context, request).await? {
        context.service.directory.unsubscribe(context.call, &queue, request.item()).await?;
        if let Some(connection) = context.connection {
            connection.unsubscribes(&queue, request.item());
        }
    }
    Ok(Answer::SubscriptionDeleted)
}
