//! `sukkal queue purge` and `sukkal queue delete`

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::server::{Server, Trouble};
use super::show::missing;
use crate::output::print;

#[derive(Args)]
pub struct Purge {
    /// The queue's name.
    queue: String,
    /// Delete its subscriptions as well.
    #[arg(long)]
    subscriptions: bool,
}

/// Deletes all messages.
pub async fn purge(server: &Server, options: &Purge, json: bool) -> Result<(), Trouble> {
    there(server, &options.queue).await?;
    let types = if options.subscriptions { json!(["messages", "subscriptions"]) } else { json!(["messages"]) };
    let body = json!({ "resource_types": types }).to_string();
    server.ask(Method::POST, &["queues", &options.queue, "purge"], &[], Some(body)).await?;
    done(&options.queue, "purged", json)
}

/// Deletes the queue.
pub async fn delete(server: &Server, queue: &str, json: bool) -> Result<(), Trouble> {
    there(server, queue).await?;
    server.ask(Method::DELETE, &["queues", queue], &[], None).await?;
    done(queue, "deleted", json)
}

fn done(queue: &str, what: &str, json: bool) -> Result<(), Trouble> {
    Ok(if json { print(json!({ "name": queue, what: true })) } else { print(format_args!("{queue} {what}")) }?)
}

/// The API does as if it had deleted what is not there; whoever mistypes a name should be told.
async fn there(server: &Server, queue: &str) -> Result<(), Trouble> {
    match server.has_queue(queue).await? {
        Some(false) => Err(missing(server, queue)),
        _ => Ok(()),
    }
}
