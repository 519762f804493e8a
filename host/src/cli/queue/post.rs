//! `sukkal queue post`

mod batch;

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal};

use clap::Args;
use reqwest::Method;
use serde::Deserialize;

use super::server::{Server, Trouble, last};
use super::text::count;
use crate::output::{note, tell};
use batch::Batch;

#[derive(Args)]
pub struct Options {
    /// The queue's name.
    queue: String,
    /// The messages' bodies, each a JSON value. Without one they are read from standard input, one a
    /// line.
    #[arg(value_name = "BODY")]
    bodies: Vec<String>,
    /// Take each body for a text as it stands, and not for JSON.
    #[arg(long, short)]
    text: bool,
    /// How long the messages live, in seconds. Else: what the queue says.
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    /// How long nobody sees them, in seconds. Else: what the queue says.
    #[arg(long, value_name = "SECONDS")]
    delay: Option<u64>,
}

#[derive(Deserialize)]
struct Stored {
    resources: Vec<String>,
}

/// Posts in batches, each stored as a whole or not at all, and prints the ids of what is stored.
pub async fn run(server: &Server, options: &Options, json: bool) -> Result<(), Trouble> {
    let mut poster = Poster { server, options, json, batch: Batch::default(), stored: 0 };
    let posted = if options.bodies.is_empty() { poster.standard_input().await } else { poster.arguments().await };
    posted.map_err(|trouble| poster.explained(trouble))
}

struct Poster<'a> {
    server: &'a Server,
    options: &'a Options,
    json: bool,
    batch: Batch,
    /// How many messages are stored so far.
    stored: u64,
}

impl Poster<'_> {
    async fn arguments(&mut self) -> Result<(), Trouble> {
        // All are looked at before the first is posted.
        for (index, body) in self.options.bodies.iter().enumerate() {
            let check = Batch::default().push(body, self.options);
            check.map_err(|problem| Trouble::Input(format!("argument {}: {problem}", index + 1)))?;
        }
        for body in &self.options.bodies {
            self.make_room(body).await?;
            self.batch.push(body, self.options).map_err(Trouble::Input)?;
        }
        self.send().await
    }

    /// A batch goes when it is full, and when no further line is there yet.
    async fn standard_input(&mut self) -> Result<(), Trouble> {
        let mut input = io::BufReader::with_capacity(batch::MOST_BYTES, io::stdin());
        if io::stdin().is_terminal() {
            note("a JSON value a line; Ctrl-D ends");
        }
        let mut line = String::new();
        for number in 1_u64.. {
            line.clear();
            let read = input.read_line(&mut line);
            let problem = |problem: &dyn Display| format!("line {number} of standard input: {problem}");
            let read = read.map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => Trouble::Input(problem(&"it is no UTF-8, as every message must be")),
                _ => Trouble::Local(problem(&error)),
            });
            if read? == 0 {
                break;
            }
            let body = line.trim_end_matches(['\r', '\n']);
            if body.trim().is_empty() && !self.options.text {
                continue;
            }
            self.make_room(body).await?;
            self.batch.push(body, self.options).map_err(|told| Trouble::Input(problem(&told)))?;
            if !input.buffer().contains(&b'\n') {
                self.send().await?;
            }
        }
        self.send().await
    }

    /// Posts what there is, if a body does not fit beside it.
    async fn make_room(&mut self, body: &str) -> Result<(), Trouble> {
        if self.batch.has_room(body) { Ok(()) } else { self.send().await }
    }

    async fn send(&mut self) -> Result<(), Trouble> {
        let Some(document) = self.batch.take() else { return Ok(()) };
        let path = ["queues", &self.options.queue, "messages"];
        let stored: Stored = self.server.ask(Method::POST, &path, &[], Some(document)).await?.document()?;
        self.stored += stored.resources.len() as u64;
        for resource in &stored.resources {
            let id = last(resource);
            tell(if self.json { serde_json::json!({ "id": id }).to_string() } else { id.to_owned() })?;
        }
        Ok(())
    }

    /// What is stored although something went wrong.
    fn explained(&self, trouble: Trouble) -> Trouble {
        let stored = match self.stored {
            0 => "nothing is stored".to_owned(),
            n => format!("what came before is stored ({})", count(n, "message")),
        };
        match trouble {
            Trouble::NoAnswer(_) => {
                trouble.with(&format!("nobody knows whether the last {} stored", are(self.batch.last)))
            }
            Trouble::NoServer(_) | Trouble::Refused(_) | Trouble::Input(_) | Trouble::Local(_) => trouble.with(&stored),
            Trouble::Foreign(_) | Trouble::Nothing(_) | Trouble::Unread(_) => trouble,
        }
    }
}

fn are(n: u64) -> String {
    if n == 1 { "message is".to_owned() } else { format!("{n} messages are") }
}
