//! `flavor_get`: one flavor.

use sukkal_plugin_sdk::Request;

use super::{no_flavor, view};
use crate::answer::Answer;
use crate::engine::Context;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    match context.service.directory.flavor(context.call, request.item()).await? {
        Some(flavor) => Ok(Answer::Flavor(view(flavor))),
        None => Err(no_flavor(request).into()),
    }
}
