//! `claim_update`: a claim begins anew, with the time that is given or else the service's default.

use sukkal_plugin_sdk::{ClaimId, Extensions, Renewal, Request};

use super::no_claim;
use super::terms::Terms;
use crate::action::no_body;
use crate::answer::Answer;
use crate::engine::Context;
use crate::error::Result;
use crate::json;
use crate::limits::Limits;
use crate::name::Named;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let renewal = decode(request, context.limits())?;
    let id = request.item().parse::<ClaimId>().map_err(|_| no_claim(request))?;
    let (directory, call) = (&context.service.directory, context.call);
    let queue = directory.find(call, Named::of(request)).await?.ok_or_else(|| no_claim(request))?;
    let renewed = directory.on(call, queue, |queue| {
        let renewal = renewal.clone();
        async move {
            let pool = queue.pool()?;
            let renew = || pool.claim_renew(call, &queue.reference, id, renewal.clone());
            directory.until_known(call, renew).await
        }
    });
    match renewed.await? {
        Some(true) => Ok(Answer::ClaimRenewed),
        Some(false) | None => Err(no_claim(request).into()),
    }
}

fn decode(request: &Request, limits: &Limits) -> Result<Renewal> {
    if !request.has_body() {
        return Err(no_body());
    }
    let terms = Terms::of(&json::object(request.body())?)?;
    let (ttl, grace) = (terms.ttl(limits)?, terms.grace(limits)?);
    Ok(Renewal { ttl, grace, places: None, extensions: Extensions::new() })
}
