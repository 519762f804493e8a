//! `pool_get`: one pool.

use sukkal_plugin_sdk::Request;

use super::{Detail, no_pool, view};
use crate::answer::Answer;
use crate::directory::stored_pool;
use crate::engine::Context;
use crate::query;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let detail = Detail::of(query::boolean(request.params(), "detailed")?);
    match stored_pool(&context.service.catalog, context.call, request.item()).await? {
        Some(pool) => Ok(Answer::Pool(view(context, pool, detail))),
        None => Err(no_pool(request).into()),
    }
}
