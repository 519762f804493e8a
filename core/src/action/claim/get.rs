//! `claim_get`: a live claim and what it still holds.

use sukkal_plugin_sdk::{ClaimId, Request};

use super::{no_claim, views};
use crate::action::message::view::{Extra, Shown};
use crate::answer::{Answer, ClaimView};
use crate::engine::Context;
use crate::name::Named;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let extra = Extra::of(request.params())?;
    let id = request.item().parse::<ClaimId>().map_err(|_| no_claim(request))?;
    let (directory, call) = (&context.service.directory, context.call);
    let queue = directory.find(call, Named::of(request)).await?.ok_or_else(|| no_claim(request))?;
    let read = directory.on(call, queue, |queue| async move {
        let claim = queue.pool()?.claim_get(call, &queue.reference, id).await?;
        Ok(claim.map(|claim| (queue.id(), claim)))
    });
    let (queue, claim) = read.await?.flatten().ok_or_else(|| no_claim(request))?;
    let shown = Shown::new(context, queue, claim.now).with(extra);
    let messages = context.egress(request, claim.messages).await?;
    Ok(Answer::Claim(ClaimView {
        id,
        ttl: claim.ttl.as_secs(),
        age: claim.now.since(claim.renewed).as_secs(),
        messages: views(&shown, id, messages),
    }))
}
