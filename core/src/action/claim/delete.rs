//! `claim_delete`: a claim ends, and what it holds is free at once.

use sukkal_plugin_sdk::{ClaimId, Release, Request};

use crate::answer::Answer;
use crate::engine::Context;
use crate::name::Named;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let (directory, call) = (&context.service.directory, context.call);
    // What is no claim's id names a claim that is not there, which is no error.
    let Ok(id) = request.item().parse::<ClaimId>() else { return Ok(Answer::ClaimReleased) };
    if let Some(queue) = directory.find(call, Named::of(request)).await? {
        let release = directory.on(call, queue, |queue| async move {
            let pool = queue.pool()?;
            let release = || pool.claim_release(call, &queue.reference, id, Release::default());
            directory.until_known(call, release).await
        });
        release.await?;
    }
    Ok(Answer::ClaimReleased)
}
