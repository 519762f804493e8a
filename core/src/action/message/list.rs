//! `message_list`: a page of a queue's messages.

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::{Batch, List, MessageId, QueueId, Request};

use super::view::{Extra, Shown};
use crate::answer::{Answer, MessagePage, Paging};
use crate::directory::Queue;
use crate::engine::Context;
use crate::error::Result;
use crate::limits::Limits;
use crate::query::{self, message_limit};
use crate::stop::Stop;
use crate::wait::{self, What};

/// What a listing asks for.
struct Listing {
    marker: Option<String>,
    list: List,
    wait: Duration,
    extra: Extra,
    paging: Paging,
}

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let mut listing = decode(request, context.limits())?;
    let look = |queue| read(context, queue, &listing);
    let what = if listing.list.delayed { What::DelayedListing } else { What::Listing };
    let Some((queue, batch)) = wait::until(context, request, what, listing.wait, look).await? else {
        return Ok(Answer::Messages(MessagePage::default()));
    };
    let shown = Shown::new(context, queue, batch.now).with(listing.extra);
    listing.paging.next_marker = batch.messages.last().map(|message| shown.id(message.place).to_string());
    let messages = context.egress(request, batch.messages).await?;
    Ok(Answer::Messages(MessagePage { messages: shown.views(messages), paging: listing.paging }))
}

/// Reads a page; `None`: it is empty.
async fn read(context: &Context<'_>, queue: Arc<Queue>, listing: &Listing) -> Result<Option<(QueueId, Batch)>, Stop> {
    let (directory, call) = (&context.service.directory, context.call);
    let read = directory.on(call, queue, |queue| {
        let marker = listing.marker.as_deref().map(str::parse::<MessageId>);
        // Of a queue that had this name before: all that is here came after it.
        let after = marker.and_then(Result::ok).filter(|id| id.queue == queue.id()).map(|id| id.place);
        let list = List { after, ..listing.list.clone() };
        async move {
            // Nothing comes after what is no id (spec: REST §1, Paging).
            let batch = match marker {
                Some(Err(_)) => Batch::default(),
                _ => queue.pool()?.list(call, &queue.reference, list).await?,
            };
            Ok((queue.id(), batch))
        }
    });
    Ok(read.await?.filter(|(_, batch)| !batch.messages.is_empty()))
}

fn decode(request: &Request, limits: &Limits) -> Result<Listing> {
    let params = request.params();
    let marker = query::text(params, "marker").map(str::to_owned);
    let limit = query::int(params, "limit")?;
    let echo = query::boolean(params, "echo")?;
    let claimed = query::boolean(params, "include_claimed")?;
    let delayed = query::boolean(params, "include_delayed")?;
    let wait = wait::asked(request, limits)?;
    let extra = Extra::of(params)?;
    let mut paging = Paging { had_marker: marker.is_some(), ..Paging::default() };
    paging.note("limit", limit);
    paging.note("echo", echo);
    paging.note("include_claimed", claimed);
    paging.note("include_delayed", delayed);
    extra.note(&mut paging);
    paging.note(wait::WAIT, Some(wait.as_secs()).filter(|seconds| *seconds > 0));
    let list = List {
        limit: query::page_limit(limit, limits.max_messages_per_page, message_limit)?,
        not_from: (!echo.unwrap_or(false)).then(|| request.client().to_owned()),
        claimed: claimed.unwrap_or(false),
        delayed: delayed.unwrap_or(false),
        ..List::default()
    };
    Ok(Listing { marker, list, wait, extra, paging })
}
