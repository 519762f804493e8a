//! `flavor_create`: makes a flavor, or gives it other pools.

use sukkal_plugin_sdk::Request;

use super::{draft, why};
use crate::action::pool::draft::{no_others, object};
use crate::answer::Answer;
use crate::engine::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let (name, pools) = (request.item(), decode(request, context.limits())?);
    match context.service.directory.set_flavor(context.call, name, &pools).await? {
        Ok(()) => Ok(Answer::FlavorCreated),
        Err(unfit) => {
            let text = format!("Flavor {name} could not be created, error:{}", why(&unfit));
            Err(Error::new(ErrorKind::FlavorNotCreated, text).into())
        }
    }
}

fn decode(request: &Request, limits: &Limits) -> Result<Vec<String>> {
    let object = object(request, limits)?;
    no_others(&object, &["pool_list", "capabilities"])?;
    draft::check_capabilities(&object)?;
    draft::pool_list(&object)?.ok_or_else(|| Error::body("Missing \"pool_list\" field."))
}
