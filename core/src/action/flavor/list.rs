//! `flavor_list`: a page of flavors.

use sukkal_plugin_sdk::Request;

use super::view;
use crate::answer::{Answer, FlavorPage, Paging};
use crate::engine::Context;
use crate::query::{self, queue_limit};
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let params = request.params();
    let marker = query::text(params, "marker");
    let asked = query::int(params, "limit")?;
    let detailed = query::boolean(params, "detailed")?;
    let limit = query::page_limit(asked, context.limits().max_flavors_per_page, queue_limit)?;
    let mut paging = Paging { had_marker: marker.is_some(), ..Paging::default() };
    paging.note("limit", asked);
    paging.last.extend(detailed.map(|detailed| ("detailed".to_owned(), detailed.to_string())));
    let listed = context.service.directory.flavors(context.call, marker, limit).await?;
    paging.next_marker = listed.last().map(|flavor| flavor.name.clone());
    let flavors = listed.into_iter().map(view).collect();
    Ok(Answer::Flavors(FlavorPage { flavors, detailed: detailed.unwrap_or(false), paging }))
}
