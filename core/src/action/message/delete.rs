//! `message_delete`: deletes one message; a claimed one only with its claim.

use std::sync::Arc;

use sukkal_plugin_sdk::{self as sdk, Call, ClaimId, Delete, Guard, MessageId, Refused, Request};

use crate::answer::Answer;
use crate::directory::{Directory, Queue};
use crate::engine::Context;
use crate::error::{Error, ErrorKind};
use crate::name::Named;
use crate::query;
use crate::stop::Stop;

/// What a request says of the claim that holds the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claimed {
    Nothing,
    Claim(ClaimId),
    /// A text that is no claim's id.
    NoClaim,
}

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let named = decode(request);
    let (directory, call) = (&context.service.directory, context.call);
    // What is no message's id names a message that is not there, which is no error.
    let Ok(id) = request.item().parse::<MessageId>() else { return Ok(Answer::Deleted) };
    let Some(queue) = directory.find(call, Named::of(request)).await? else { return Ok(Answer::Deleted) };
    let deletion = directory.on(call, queue, |queue| delete(directory, call, queue, id, named));
    match deletion.await?.flatten() {
        None => Ok(Answer::Deleted),
        Some(refused) => Err(refusal(refused).into()),
    }
}

fn decode(request: &Request) -> Claimed {
    match query::text(request.params(), "claim_id") {
        None => Claimed::Nothing,
        Some(text) => text.parse().map_or(Claimed::NoClaim, Claimed::Claim),
    }
}

async fn delete(
    directory: &Directory,
    call: &Call,
    queue: Arc<Queue>,
    id: MessageId,
    named: Claimed,
) -> sdk::Result<Option<Refused>> {
    if id.queue != queue.id() {
        return Ok(None);
    }
    let places = vec![id.place];
    let guard = match named {
        Claimed::Nothing => Guard::Unclaimed,
        Claimed::Claim(claim) => Guard::Claim(claim),
        Claimed::NoClaim => {
            // Only what is there can be refused.
            let batch = queue.pool()?.get(call, &queue.reference, places).await?;
            return Ok((!batch.messages.is_empty()).then_some(Refused::ClaimGone));
        }
    };
    let delete = Delete { places, guard, ..Delete::default() };
    let pool = queue.pool()?;
    // What a repetition does not find was deleted before.
    let deleted = || pool.delete(call, &queue.reference, delete.clone());
    Ok(directory.until_known(call, deleted).await?.refused)
}

/// How a refusal of the pool is worded (spec: REST §4).
fn refusal(refused: Refused) -> Error {
    let text = match refused {
        Refused::Claimed | Refused::OtherClaim => {
            "This message is claimed; it cannot be deleted without a valid claim ID."
        }
        Refused::NotClaimed => "A claim was specified, but the message is not currently claimed.",
        Refused::ClaimGone => "The specified claim does not exist or has expired.",
    };
    Error::new(ErrorKind::NotDeleted(refused), text)
}
