//! `sukkal queue claim`, `ack` and `release`

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::peek::{Message, Page, one_line};
use super::server::{Answer, Server, Trouble};
use super::text::count;
use crate::output::{note, print};

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

/// Claims and prints. What is not printed is not deleted; when anything goes wrong, all that is not
/// deleted goes back to the queue.
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
    let n_messages = match work(server, options, json, &answer, &claim).await {
        Ok(n_messages) => n_messages,
        Err(trouble) => return Err(given_back(server, options, &claim, trouble).await),
    };
    if !options.delete {
        let held = count(n_messages, "message");
        note(format_args!(
            "{held} held for {} s by claim {claim}; `sukkal queue ack {queue} {claim} MESSAGE…` deletes, `sukkal queue \
             release {queue} {claim}` gives back",
            options.ttl
        ));
    }
    Ok(())
}

/// Prints the messages of a claim, and deletes each that is, if that is asked for; how many there were.
async fn work(server: &Server, options: &Options, json: bool, answer: &Answer, claim: &str) -> Result<u64, Trouble> {
    let page: Page = answer.document()?;
    for raw in &page.messages {
        let message = Message::read(raw)?;
        print(if json { one_line(raw) } else { message.line() })?;
        if options.delete {
            acknowledge(server, &options.queue, claim, &message.id).await?;
        }
    }
    Ok(page.messages.len() as u64)
}

/// Ends a claim on which something went wrong, and tells what becomes of its messages.
async fn given_back(server: &Server, options: &Options, claim: &str, trouble: Trouble) -> Trouble {
    let Options { queue, ttl, .. } = options;
    let path = ["queues", queue, "claims", claim];
    match server.ask(Method::DELETE, &path, &[], None).await {
        Ok(_) => trouble.with("what was not deleted is back in the queue"),
        Err(_) => trouble.with(&format!(
            "what was not deleted is held for {ttl} s by claim {claim}; `sukkal queue release {queue} {claim}` gives it back"
        )),
    }
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
