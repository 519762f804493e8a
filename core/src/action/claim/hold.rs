//! Messages held by a claim while they are on their way to a client.

use std::sync::Arc;

use sukkal_plugin_sdk::{self as sdk, Applied, Batch, Call, ClaimId, Message, NewClaim, Release, Request, Timestamp};

use crate::directory::Queue;
use crate::engine::Context;
use crate::service::Service;
use crate::stop::Stop;

/// What a claim got, and from which incarnation of the queue.
pub(crate) struct Hold {
    pub(crate) queue: Arc<Queue>,
    pub(crate) id: ClaimId,
    pub(crate) batch: Batch,
}

/// The id of a claim that is made now: the instant in ms, then 80 random bits. Nobody guesses it; and
/// as ids rise with time, a store that keeps claims by id writes those of one moment side by side.
fn new_id(now: Timestamp) -> ClaimId {
    const RANDOM_BITS: u32 = 80;
    let random = rand::random::<u128>() >> (u128::BITS - RANDOM_BITS);
    ClaimId(u128::from(now.0.unsigned_abs()) << RANDOM_BITS | random)
}

/// Claims messages of a queue, under an id of its own: one of which it is not known what came of it is given back, and must
/// not be another one then. `None`: there is nothing to claim, and no claim.
pub(crate) async fn claim(context: &Context<'_>, queue: Arc<Queue>, claim: NewClaim) -> Result<Option<Hold>, Stop> {
    let claim = NewClaim { id: new_id(context.service.now()), ..claim };
    let (directory, call) = (&context.service.directory, context.call);
    let claimed = directory.on(call, queue.clone(), |queue| {
        let claim = claim.clone();
        async move {
            let pool = queue.pool()?;
            context.presence.tries(&queue, claim.id);
            // Repeated with its id it is the same claim.
            let claimed = || pool.claim(call, &queue.reference, claim.clone());
            let claimed = directory.until_known(call, claimed).await?;
            Ok(Hold { queue, id: claim.id, batch: claimed.batch })
        }
    });
    match claimed.await {
        Ok(hold) => {
            let hold = hold.filter(|hold| !hold.batch.messages.is_empty());
            if hold.is_none() {
                context.presence.has_tried();
            }
            Ok(hold)
        }
        Err(error) => {
            // The claim may be there, and nobody will ever learn its id.
            if error.applied == Applied::Unknown {
                context.service.waits.give_back(context.service.clone(), queue, claim.id, true);
            }
            context.presence.has_tried();
            Err(error.into())
        }
    }
}

/// Lets the filters see what a claim got. Where that ends the request nobody gets the messages, so
/// they are free again, and the claim does not count.
pub(crate) async fn egress(
    context: &mut Context<'_>,
    request: &Request,
    queue: &Arc<Queue>,
    id: ClaimId,
    messages: Vec<Message>,
) -> Result<Vec<Message>, Stop> {
    let outcome = context.egress(request, messages).await;
    if outcome.is_err() {
        release(context.service, context.call, queue, id).await;
    }
    outcome
}

/// Gives back what nobody gets. Where the store does not take it that goes on, while the client is answered.
pub(crate) async fn release(service: &Arc<Service>, call: &Call, queue: &Arc<Queue>, id: ClaimId) {
    if let Err(error) = try_release(service, call, queue, id).await {
        tracing::debug!(%error, queue = queue.name, project = queue.project, "a claim is to be released again");
        service.waits.give_back(service.clone(), queue.clone(), id, false);
    }
}

/// Gives it back once.
///
/// # Errors
/// The store's.
pub(crate) async fn try_release(service: &Service, call: &Call, queue: &Arc<Queue>, id: ClaimId) -> sdk::Result<()> {
    let released = service.directory.on(call, queue.clone(), |queue| async move {
        let release = Release { uncounted: true, ..Release::default() };
        let pool = queue.pool()?;
        let released = || pool.claim_release(call, &queue.reference, id, release.clone());
        service.directory.until_known(call, released).await
    });
    released.await.map(drop)
}

/// Tells that a claim stays until it expires.
pub(crate) fn not_released(queue: &Queue, error: &sdk::Error) {
    tracing::warn!(%error, queue = queue.name, project = queue.project, "a claim could not be released");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_with_time_and_differ_within_an_instant() {
        let (now, next) = (Timestamp(1_764_000_000_000), Timestamp(1_764_000_000_001));
        let ids = [new_id(now), new_id(now), new_id(next)];
        assert!(ids[0].max(ids[1]) < ids[2]);
        assert_ne!(ids[0], ids[1]);
    }
}
