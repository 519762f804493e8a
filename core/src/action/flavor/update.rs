//! `flavor_update`: gives a flavor other pools.

use sukkal_plugin_sdk::Request;

use super::{draft, no_flavor, view, why};
use crate::action::pool::draft::object;
use crate::answer::{Answer, FlavorView};
use crate::engine::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let (name, pools) = (request.item(), decode(request, context.limits())?);
    let (directory, call) = (&context.service.directory, context.call);
    if directory.flavor(call, name).await?.is_none() {
        return Err(no_flavor(request).into());
    }
    if let Err(unfit) = directory.set_flavor(call, name, &pools).await? {
        let text = format!("Flavor {name} cant be updated, error:{}", why(&unfit));
        return Err(Error::new(ErrorKind::FlavorNotUpdated, text).into());
    }
    let flavor = directory.flavor(call, name).await?.ok_or_else(|| no_flavor(request))?;
    // In the order in which they were sent.
    Ok(Answer::Flavor(FlavorView { pool_list: pools, ..view(flavor) }))
}

fn decode(request: &Request, limits: &Limits) -> Result<Vec<String>> {
    let pools = draft::pool_list(&object(request, limits)?)?;
    pools.ok_or_else(|| Error::body("`pool_list` needs to be specified"))
}
