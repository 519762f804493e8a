//! `pool_list`: a page of pools.

use sukkal_plugin_sdk::Request;

use super::{Detail, view};
use crate::answer::{Answer, Paging, PoolPage};
use crate::directory::listed_pools;
use crate::engine::Context;
use crate::query::{self, queue_limit};
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let params = request.params();
    let marker = query::text(params, "marker");
    let asked = query::int(params, "limit")?;
    let detailed = query::boolean(params, "detailed")?;
    let limit = query::page_limit(asked, context.limits().max_pools_per_page, queue_limit)?;
    let mut paging = Paging { had_marker: marker.is_some(), ..Paging::default() };
    paging.note("limit", asked);
    paging.note("detailed", detailed);
    let listed = listed_pools(&context.service.catalog, context.call, marker.map(str::to_owned), limit).await?;
    paging.next_marker = listed.last().map(|pool| pool.name.clone());
    let detail = Detail::of(detailed);
    let pools = listed.into_iter().map(|pool| view(context, pool, detail)).collect();
    Ok(Answer::Pools(PoolPage { pools, paging }))
}
