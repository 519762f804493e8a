//! `pool_create`: registers a pool, or puts another in its place.

use sukkal_plugin_sdk::Request;

use super::draft::{self, Draft, FIELDS};
use crate::answer::Answer;
use crate::engine::Context;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::pools::{PoolSpec, Wish};
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let wish = decode(request, context.limits())?;
    context.service.pools.register(context.call, request.item(), |_| Ok(wish.clone())).await?;
    Ok(Answer::PoolCreated)
}

fn decode(request: &Request, limits: &Limits) -> Result<Wish> {
    let object = draft::object(request, limits)?;
    draft::no_others(&object, &FIELDS)?;
    let Draft { uri, weight, flavor, options } = draft::read(&object)?;
    let missing = |name: &str| Error::body(format!("Missing \"{name}\" field."));
    Ok(Wish {
        weight: weight.ok_or_else(|| missing("weight"))?,
        spec: PoolSpec { uri: uri.ok_or_else(|| missing("uri"))?, options: options.unwrap_or_default() },
        flavor: flavor.flatten(),
    })
}
