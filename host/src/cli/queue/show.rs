//! `sukkal queue show`

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::server::{Server, Trouble};
use super::text::{count, duration};
use crate::output::print;
use crate::terminal::plain;

/// How many messages a queue holds.
#[derive(Deserialize)]
pub struct Stats {
    /// Those that nobody holds; delayed ones too.
    pub free: u64,
    /// Those that claims hold.
    pub claimed: u64,
    oldest: Option<End>,
    newest: Option<End>,
}

#[derive(Deserialize)]
struct End {
    age: u64,
}

#[derive(Deserialize)]
struct Document {
    messages: Stats,
}

impl Stats {
    /// Those of a queue; zeros, if it does not exist.
    pub async fn of(server: &Server, queue: &str) -> Result<Stats, Trouble> {
        let document: Document = server.ask(Method::GET, &["queues", queue, "stats"], &[], None).await?.document()?;
        Ok(document.messages)
    }
}

/// That a queue is not there, and what to do.
pub fn missing(server: &Server, queue: &str) -> Trouble {
    Trouble::Nothing(format!(
        "project {} has no queue {queue}; `sukkal queue list` shows those that it has, `sukkal queue create {queue}` \
         makes this one",
        server.project()
    ))
}

/// Prints numbers and metadata.
pub async fn run(server: &Server, queue: &str, json: bool) -> Result<(), Trouble> {
    if server.has_queue(queue).await? == Some(false) {
        return Err(missing(server, queue));
    }
    let stats = Stats::of(server, queue).await?;
    let metadata: Map<String, Value> = server.ask(Method::GET, &["queues", queue], &[], None).await?.document()?;
    let text = if json { as_json(queue, &stats, metadata) } else { as_text(queue, &stats, &metadata) };
    Ok(print(text.trim_end())?)
}

fn as_json(queue: &str, stats: &Stats, metadata: Map<String, Value>) -> String {
    let age = |end: &Option<End>| end.as_ref().map(|end| end.age);
    json!({
        "name": queue, "free": stats.free, "claimed": stats.claimed,
        "oldest_age": age(&stats.oldest), "newest_age": age(&stats.newest), "metadata": metadata,
    })
    .to_string()
}

fn as_text(queue: &str, stats: &Stats, metadata: &Map<String, Value>) -> String {
    let messages = count(stats.free + stats.claimed, "message");
    let mut text = format!("{queue}: {messages}, {} free, {} claimed\n", stats.free, stats.claimed);
    for (what, end) in [("oldest", &stats.oldest), ("newest", &stats.newest)] {
        if let Some(end) = end {
            text.push_str(&format!("  {what}: posted {} ago\n", duration(end.age)));
        }
    }
    text.push_str("  metadata:\n");
    let width = metadata.keys().map(|key| key.chars().count()).max().unwrap_or_default();
    for (key, value) in metadata {
        text.push_str(&format!("    {:<width$}  {value}\n", plain(key)));
    }
    text
}
