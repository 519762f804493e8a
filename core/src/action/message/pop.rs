//! The popping half of `message_delete_many`: takes the oldest messages out of the queue.

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::{ClaimId, Delete, Extensions, Guard, Message, NewClaim, Request, Timestamp};

use super::view::{Extra, Shown};
use crate::action::claim::hold::{self, Hold};
use crate::answer::{Answer, MessageView};
use crate::directory::Queue;
use crate::engine::Context;
use crate::error::{Error, ErrorKind};
use crate::name::Named;
use crate::stop::Stop;

/// Pops up to `limit` messages: in one step of the pool where no filter has to see them first, and no answer
/// of the pool can be lost on its way.
pub(super) async fn run(context: &mut Context<'_>, request: &Request, limit: u32) -> Result<Answer, Stop> {
    let Some(queue) = context.service.directory.find(context.call, Named::of(request)).await? else {
        return Ok(Answer::Popped(Vec::new()));
    };
    // A pool that is not open is known to be neither; then either way tells why.
    let is_remote = queue.pool().is_ok_and(|pool| pool.is_remote());
    let popped = match is_remote || context.wants_egress(request) {
        true => by_claim(context, request, queue, limit).await?,
        false => at_once(context, queue, limit).await?,
    };
    Ok(Answer::Popped(popped))
}

async fn at_once(context: &Context<'_>, queue: Arc<Queue>, limit: u32) -> Result<Vec<MessageView>, Stop> {
    let call = context.call;
    let pop = context.service.directory.on(call, queue, |queue| async move {
        let batch = queue.pool()?.pop(call, &queue.reference, limit).await?;
        Ok((queue, batch))
    });
    Ok(match pop.await? {
        Some((queue, batch)) => views(context, &queue, batch.now, batch.messages),
        None => Vec::new(),
    })
}

/// Neither a filter that fails nor a connection that breaks must cost the messages: they are claimed, without
/// counting that, until they are here and have passed, and only then deleted. Both steps can be repeated.
async fn by_claim(
    context: &mut Context<'_>,
    request: &Request,
    queue: Arc<Queue>,
    limit: u32,
) -> Result<Vec<MessageView>, Stop> {
    let claim = NewClaim {
        // It gets its id when it is made.
        id: ClaimId(0),
        limit,
        // The request has ended by then.
        ttl: Duration::from_secs(context.limits().request_timeout),
        grace: Duration::ZERO,
        uncounted: true,
        extensions: Extensions::new(),
    };
    let Some(Hold { queue, id, batch }) = hold::claim(context, queue, claim).await? else { return Ok(Vec::new()) };
    let places = batch.messages.iter().map(|message| message.place).collect();
    let messages = hold::egress(context, request, &queue, id, batch.messages).await?;
    let delete = Delete { places, guard: Guard::Claim(id), ..Delete::default() };
    let (directory, call) = (&context.service.directory, context.call);
    let deleted = directory.on(call, queue.clone(), |queue| {
        let delete = delete.clone();
        async move {
            let pool = queue.pool()?;
            let deleted = || pool.delete(call, &queue.reference, delete.clone());
            directory.until_known(call, deleted).await
        }
    });
    if deleted.await?.is_some_and(|deleted| deleted.refused.is_some()) {
        // The claim has run out meanwhile: they may be somebody else's by now.
        return Err(Error::new(ErrorKind::TimedOut, "The messages took too long to be handed out.").into());
    }
    Ok(views(context, &queue, batch.now, messages))
}

fn views(context: &Context<'_>, queue: &Queue, now: Timestamp, messages: Vec<Message>) -> Vec<MessageView> {
    let shown = Shown::new(context, queue.id(), now).with(Extra::popped());
    let unclaimed = |message| MessageView { claim: None, ..shown.view(message) };
    messages.into_iter().map(unclaimed).collect()
}
