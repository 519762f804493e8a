//! `queue_list`, `topic_list`: a page of a project's queues or topics.

use serde_json::Value;
use sukkal_plugin_sdk::{Params, Request};

use crate::answer::{Answer, Object, Paging, QueuePage, QueueView};
use crate::directory::Listed;
use crate::engine::Context;
use crate::error::Result;
use crate::limits::Limits;
use crate::name::{Kind, Named};
use crate::query::{self, queue_limit};
use crate::stop::Stop;

/// How many queues are read at once where a filter passes only some.
const BATCH: u32 = 100;

/// The parameters that do not select by metadata.
const KNOWN: [&str; 5] = ["marker", "limit", "detailed", "name", "with_count"];

/// What a listing asks for.
struct Listing {
    kind: Kind,
    marker: Option<String>,
    limit: u32,
    detailed: bool,
    with_count: bool,
    filter: Filter,
    paging: Paging,
}

/// Which queues are wanted.
#[derive(Debug, Default, PartialEq)]
struct Filter {
    /// The name contains this.
    name: Option<String>,
    /// These metadata have these values.
    metadata: Vec<(String, String)>,
}

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let mut listing = decode(Named::of(request).kind, request.params(), context.limits())?;
    let queues = read(context, &listing).await?;
    // Topics are not counted (spec: REST §7).
    let count = match listing.with_count && listing.kind == Kind::Queue {
        // A count of none is not shown.
        true => Some(context.service.directory.count(context.call).await?).filter(|count| *count > 0),
        false => None,
    };
    listing.paging.next_marker = queues.last().map(|queue| queue.name.clone());
    Ok(Answer::Queues(QueuePage { queues, count, detailed: listing.detailed, paging: listing.paging }))
}

/// Reads on from the marker until the page is full.
async fn read(context: &Context<'_>, listing: &Listing) -> Result<Vec<QueueView>> {
    let limit = listing.limit as usize;
    let batch = if listing.filter == Filter::default() { listing.limit } else { BATCH };
    let mut queues = Vec::new();
    let mut after = listing.marker.clone();
    loop {
        let listed = context.service.directory.list(context.call, listing.kind, after.as_deref(), batch).await?;
        let is_last = listed.len() < batch as usize;
        after = listed.last().map(|queue| queue.name.clone());
        for queue in listed {
            if queues.len() < limit
                && let Some(metadata) = listing.metadata(&queue)?
            {
                queues.push(QueueView { name: queue.name, metadata });
            }
        }
        if is_last || queues.len() >= limit {
            return Ok(queues);
        }
        // A catalog that answers at once would keep the thread to the end.
        tokio::task::yield_now().await;
    }
}

fn decode(kind: Kind, params: &Params, limits: &Limits) -> Result<Listing> {
    let marker = query::text(params, "marker").map(str::to_owned);
    let limit = query::int(params, "limit")?;
    let detailed = query::boolean(params, "detailed")?;
    let name = query::text(params, "name").map(str::to_owned);
    let with_count = query::boolean(params, "with_count")?;
    let metadata = metadata_filters(params);
    let mut paging = Paging { had_marker: marker.is_some(), ..Paging::default() };
    paging.note("limit", limit);
    paging.note("detailed", detailed);
    paging.note("name", name.as_deref());
    paging.note("with_count", with_count);
    paging.last.clone_from(&metadata);
    Ok(Listing {
        kind,
        marker,
        limit: query::page_limit(limit, limits.max_queues_per_page, queue_limit)?,
        detailed: detailed.unwrap_or(false),
        with_count: with_count.unwrap_or(false),
        filter: Filter { name, metadata },
        paging,
    })
}

/// Every parameter that is not known otherwise, once, with its last value.
fn metadata_filters(params: &Params) -> Vec<(String, String)> {
    let mut filters: Vec<(String, String)> = Vec::new();
    for (key, value) in params.iter().filter(|(key, _)| !KNOWN.contains(key)) {
        match filters.iter_mut().find(|(known, _)| known == key) {
            Some((_, earlier)) => value.clone_into(earlier),
            None => filters.push((key.to_owned(), value.to_owned())),
        }
    }
    filters.retain(|(_, value)| !value.is_empty());
    filters
}

impl Listing {
    /// The metadata of a queue that is wanted, where anybody asks for them: mostly it is names that are listed.
    fn metadata(&self, queue: &Listed) -> Result<Option<Object>> {
        if !self.filter.passes_name(&queue.name) {
            return Ok(None);
        }
        if !self.detailed && self.filter.metadata.is_empty() {
            return Ok(Some(Object::new()));
        }
        Ok(Some(queue.metadata()?).filter(|metadata| self.filter.passes_metadata(metadata)))
    }
}

impl Filter {
    fn passes_name(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|part| name.contains(part))
    }

    fn passes_metadata(&self, metadata: &Object) -> bool {
        self.metadata.iter().all(|(key, wanted)| metadata.get(key).is_some_and(|value| equals(value, wanted)))
    }
}

/// Whether a metadata value is what a filter's text says: a string as text, an integer as integer.
fn equals(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Number(number) => number.as_i64().is_some_and(|int| wanted.parse() == Ok(int)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        let mut params = Params::new();
        pairs.iter().for_each(|(name, value)| params.add(name, value));
        params
    }

    #[test]
    fn the_next_link_repeats_what_was_given() {
        let params = params(&[
            ("node", "2"),
            ("with_count", "yes"),
            ("marker", "q"),
            ("limit", "3"),
            ("limit", "4"),
            ("detailed", ""),
        ]);
        let paging = decode(Kind::Queue, &params, &Limits::default()).map(|listing| listing.paging).unwrap_or_default();
        let given: Vec<_> =
            paging.params.iter().chain(&paging.last).map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(given, ["limit=4", "with_count=true", "node=2"]);
        assert!(paging.had_marker);
    }

    #[test]
    fn filters_compare_text_as_text_and_integers_as_integers() {
        let metadata = crate::json::object(br#"{"node":2,"zone":"2","up":true,"x":2.0}"#).unwrap_or_default();
        let passes = |key: &str, value: &str| {
            Filter { name: None, metadata: vec![(key.to_owned(), value.to_owned())] }.passes_metadata(&metadata)
        };
        assert!(passes("node", "2") && passes("node", "+2") && passes("zone", "2"));
        assert!(!passes("node", "3") && !passes("zone", "+2") && !passes("up", "true") && !passes("none", "2"));
        assert!(Filter { name: Some("der".to_owned()), metadata: Vec::new() }.passes_name("orders"));
        assert!(!Filter { name: Some("o.d".to_owned()), metadata: Vec::new() }.passes_name("orders"));
    }
}
