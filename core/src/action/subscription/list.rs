//! `subscription_list`: a page of a queue's subscriptions.

use sukkal_plugin_sdk::Request;

use super::{queue, view};
use crate::answer::{Answer, Paging, SubscriptionPage};
use crate::engine::Context;
use crate::query::{self, message_limit};
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let marker = query::text(request.params(), "marker");
    let asked = query::int(request.params(), "limit")?;
    let limit = query::page_limit(asked, context.limits().max_subscriptions_per_page, message_limit)?;
    let mut paging = Paging { had_marker: marker.is_some(), ..Paging::default() };
    paging.note("limit", asked);
    let Some(queue) = queue(context, request).await? else {
        return Ok(Answer::Subscriptions(SubscriptionPage::default()));
    };
    let listed = context.service.directory.subscriptions(context.call, &queue, marker, limit).await?;
    paging.next_marker = listed.last().map(|subscription| subscription.id.clone());
    let now = context.service.now();
    let subscriptions = listed.into_iter().map(|subscription| view(subscription, now)).collect();
    Ok(Answer::Subscriptions(SubscriptionPage { subscriptions, paging }))
}
