//! `queue_get`, `topic_get`: a queue's metadata; of a queue that is not there, none.

use sukkal_plugin_sdk::Request;

use crate::answer::{Answer, Object};
use crate::engine::Context;
use crate::name::Named;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let queue = context.service.directory.read(context.call, Named::of(request)).await?;
    Ok(Answer::Metadata(queue.map_or_else(Object::new, |queue| queue.metadata.object.clone())))
}
