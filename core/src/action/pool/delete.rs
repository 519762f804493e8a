//! `pool_delete`: deletes a pool, if it is there and not in use.

use sukkal_plugin_sdk::Request;

use crate::answer::Answer;
use crate::engine::Context;
use crate::query;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let force = query::boolean(request.params(), "force")?.unwrap_or(false);
    context.service.pools.delete(context.call, request.item(), force).await?;
    Ok(Answer::PoolDeleted)
}
