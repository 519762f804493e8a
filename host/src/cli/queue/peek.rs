//! `sukkal queue peek`, and how messages are printed.

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::server::{Server, Trouble};
use super::text::duration;
use crate::output::print;

#[derive(Args)]
pub struct Options {
    /// The queue's name.
    queue: String,
    /// How many at most.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    limit: usize,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Those that are claimed as well.
    #[arg(long)]
    claimed: bool,
    /// Those whose delay has not ended as well.
    #[arg(long)]
    delayed: bool,
    /// Only what comes after the message of this id.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

/// A page or a claim: each message as the server wrote it.
#[derive(Deserialize)]
pub struct Page {
    /// Each as it came.
    pub messages: Vec<Box<RawValue>>,
}

/// What is read of a message.
#[derive(Deserialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    age: u64,
    ttl: u64,
    body: Box<RawValue>,
}

impl Message {
    /// Reads one.
    ///
    /// # Errors
    /// It is no message.
    pub fn read(raw: &RawValue) -> Result<Message, Trouble> {
        serde_json::from_str(raw.get()).map_err(|error| Trouble::Foreign(format!("a message cannot be read: {error}")))
    }

    /// A line for people: id, age, what is left of its life, body.
    pub fn line(&self) -> String {
        let left = self.ttl.saturating_sub(self.age);
        format!("{}  {:>9} old, {:>9} left  {}", self.id, duration(self.age), duration(left), one_line(&self.body))
    }
}

/// JSON may be written over several lines; between its texts an end of line is a blank.
pub fn one_line(body: &RawValue) -> String {
    body.get().replace(['\r', '\n'], " ")
}

/// Prints messages as they come.
pub async fn run(server: &Server, options: &Options, json: bool) -> Result<(), Trouble> {
    let mut left = if options.all { usize::MAX } else { options.limit };
    let mut marker = options.after.clone();
    while left > 0 {
        let mut query = vec![("echo", "true")];
        query.extend(options.claimed.then_some(("include_claimed", "true")));
        query.extend(options.delayed.then_some(("include_delayed", "true")));
        query.extend(marker.as_deref().map(|marker| ("marker", marker)));
        let path = ["queues", &options.queue, "messages"];
        let page: Page = server.ask(Method::GET, &path, &query, None).await?.document()?;
        let Some(last) = page.messages.last() else { break };
        marker = Some(Message::read(last)?.id);
        for raw in page.messages.iter().take(left) {
            print(if json { one_line(raw) } else { Message::read(raw)?.line() })?;
        }
        left = left.saturating_sub(page.messages.len());
    }
    Ok(())
}
