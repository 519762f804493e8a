//! `queue_delete`, `topic_delete`: a queue goes, with all that it holds.

use sukkal_plugin_sdk::Request;

use crate::answer::Answer;
use crate::engine::Context;
use crate::name::Named;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    context.service.directory.delete(context.call, Named::of(request)).await?;
    Ok(Answer::QueueDeleted)
}
