//! `flavor_delete`: deletes a flavor, if it is there; its pools stay, without a flavor.

use sukkal_plugin_sdk::Request;

use crate::answer::Answer;
use crate::engine::Context;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    context.service.directory.delete_flavor(context.call, request.item()).await?;
    Ok(Answer::FlavorDeleted)
}
