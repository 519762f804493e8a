//! `sukkal queue list`

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::server::{Server, Trouble};
use super::show::Stats;
use crate::output::print;

#[derive(Args)]
pub struct Options {
    /// Only queues whose name contains this.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// No more than so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show how many messages each holds; that is a request for each queue.
    #[arg(long, short)]
    long: bool,
}

#[derive(Deserialize)]
struct Page {
    queues: Vec<Queue>,
}

#[derive(Deserialize)]
struct Queue {
    name: String,
}

/// Prints a name a line; with `long` also the numbers.
pub async fn run(server: &Server, options: &Options, json: bool) -> Result<(), Trouble> {
    if options.long && !json {
        print(format_args!("{:>9} {:>9}  QUEUE", "FREE", "CLAIMED"))?;
    }
    let mut left = options.limit.unwrap_or(usize::MAX);
    let mut marker: Option<String> = None;
    while left > 0 {
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(options.name.as_deref().map(|name| ("name", name)));
        query.extend(marker.as_deref().map(|marker| ("marker", marker)));
        let page: Page = server.ask(Method::GET, &["queues"], &query, None).await?.document()?;
        let Some(last) = page.queues.last().map(|queue| queue.name.clone()) else { break };
        for queue in page.queues.iter().take(left) {
            print(line(server, &queue.name, options.long, json).await?)?;
        }
        left = left.saturating_sub(page.queues.len());
        marker = Some(last);
    }
    Ok(())
}

async fn line(server: &Server, name: &str, long: bool, json: bool) -> Result<String, Trouble> {
    let stats = if long { Some(Stats::of(server, name).await?) } else { None };
    Ok(match (json, stats) {
        (true, None) => json!({ "name": name }).to_string(),
        (true, Some(stats)) => json!({ "name": name, "free": stats.free, "claimed": stats.claimed }).to_string(),
        (false, None) => name.to_owned(),
        (false, Some(stats)) => format!("{:>9} {:>9}  {name}", stats.free, stats.claimed),
    })
}
