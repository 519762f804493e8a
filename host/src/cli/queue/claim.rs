//! `sukkal queue claim`, `ack` and `release`

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::peek::{Message, Page};
use super::server::{Server, Trouble};
use super::text::{count, print};

#[derive(Args)]
pub struct Options {
    /// The queue's name.
    queue: String,
    /// How many messages at most.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1)]
    limit: u32,
    /// How long they are held, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    ttl: u64,
    /// By how much their lives are prolonged beyond the claim's, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    grace: u64,
    /// Delete each once it is printed.
    #[arg(long, visible_alias = "ack")]
    delete: bool,
}

#[derive(Args)]
pub struct Ack {
    /// The queue's name.
    queue: String,
    /// The claim's id.
    claim: String,
    /// The messages' ids.
    #[arg(required = true, value_name = "MESSAGE")]
    messages: Vec<String>,
}

#[derive(Args)]
pub struct Release {
    /// The queue's name.
    queue: String,
    /// The claim's id.
    claim: String,
}

/// Claims and prints. What cannot be printed is not deleted, and goes back to the queue.
pub async fn run(server: &Server, options: &Options, json: bool) -> Result<(), Trouble> {
    let queue = options.queue.as_str();
    let body = json!({ "ttl": options.ttl, "grace": options.grace }).to_string();
    let limit = options.limit.to_string();
    let answer = server.ask(Method::POST, &["queues", queue, "claims"], &[("limit", &limit)], Some(body)).await?;
    if answer.status == 204 {
        return Err(Trouble::Nothing(format!("{queue} has nothing to claim")));
    }
    let Some(claim) = answer.location.clone() else {
        return Err(Trouble::Foreign("the server does not name the claim that it made".to_owned()));
    };
    let page: Page = answer.document()?;
    for raw in &page.messages {
        let message = Message::read(raw)?;
        if print(&if json { raw.get().replace(['\r', '\n'], " ") } else { message.line() }).is_err() {
            return give_back(server, queue, &claim).await;
        }
        if options.delete {
            acknowledge(server, queue, &claim, &message.id).await?;
        }
    }
    if !options.delete {
        let held = count(page.messages.len() as u64, "message");
        eprintln!(
            "{held} held for {} s by claim {claim}; `sukkal queue ack {queue} {claim} MESSAGE…` deletes, `sukkal queue \
             release {queue} {claim}` gives back",
            options.ttl
        );
    }
    Ok(())
}

/// Deletes messages of a claim.
pub async fn ack(server: &Server, options: &Ack) -> Result<(), Trouble> {
    for message in &options.messages {
        acknowledge(server, &options.queue, &options.claim, message).await?;
    }
    Ok(())
}

/// Ends a claim.
pub async fn release(server: &Server, options: &Release) -> Result<(), Trouble> {
    server.ask(Method::DELETE, &["queues", &options.queue, "claims", &options.claim], &[], None).await?;
    Ok(())
}

async fn acknowledge(server: &Server, queue: &str, claim: &str, message: &str) -> Result<(), Trouble> {
    let path = ["queues", queue, "messages", message];
    server.ask(Method::DELETE, &path, &[("claim_id", claim)], None).await?;
    Ok(())
}

async fn give_back(server: &Server, queue: &str, claim: &str) -> Result<(), Trouble> {
    server.ask(Method::DELETE, &["queues", queue, "claims", claim], &[], None).await?;
    Err(Trouble::Local("nobody reads the output; what was not printed is back in the queue".to_owned()))
}
