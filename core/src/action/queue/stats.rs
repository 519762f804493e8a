//! `queue_get_stats`, `topic_get_stats`: a queue's counts.

use sukkal_plugin_sdk::Request;

use crate::answer::{Answer, QueueStats};
use crate::engine::Context;
use crate::name::Named;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let (directory, call) = (&context.service.directory, context.call);
    let Some(queue) = directory.find(call, Named::of(request)).await? else {
        return Ok(Answer::Stats(None));
    };
    let counted = directory.on(call, queue, |queue| async move {
        let stats = queue.pool()?.stats(call, &queue.reference).await?;
        Ok(QueueStats { queue: queue.id(), stats })
    });
    Ok(Answer::Stats(counted.await?))
}
