//! `pool_update`: changes some of what a pool is.

use sukkal_plugin_sdk::Request;

use super::draft::{self, Draft};
use super::{Detail, no_pool, view};
use crate::answer::Answer;
use crate::directory::StoredPool;
use crate::engine::Context;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::pools::{PoolSpec, Wish};
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let draft = decode(request, context.limits())?;
    let change = |before: Option<&StoredPool>| {
        let before = before.ok_or_else(|| no_pool(request))?;
        let Draft { uri, weight, flavor, options } = &draft;
        // As if it were sent as it is shown: no secret goes along to another server unasked.
        let shown = || context.service.pools.opener().shown(&before.spec);
        Ok(Wish {
            spec: PoolSpec {
                uri: uri.clone().unwrap_or_else(|| before.spec.uri.clone()),
                options: options.clone().unwrap_or_else(|| shown().options),
            },
            weight: weight.unwrap_or(before.weight),
            flavor: flavor.clone().unwrap_or_else(|| before.flavor.clone()),
        })
    };
    let pool = context.service.pools.register(context.call, request.item(), change).await?;
    Ok(Answer::Pool(view(context, pool, Detail::Plain)))
}

fn decode(request: &Request, limits: &Limits) -> Result<Draft> {
    let draft = draft::read(&draft::object(request, limits)?)?;
    if draft == Draft::default() {
        return Err(Error::body("One of `uri`, `weight`, `flavor`, or `options` needs to be specified"));
    }
    Ok(draft)
}
