//! `queue_exists`, `topic_exists`: whether there is a queue.

use sukkal_plugin_sdk::Request;

use crate::answer::Answer;
use crate::engine::Context;
use crate::name::Named;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let queue = context.service.directory.read(context.call, Named::of(request)).await?;
    Ok(Answer::QueueExists(queue.is_some()))
}
