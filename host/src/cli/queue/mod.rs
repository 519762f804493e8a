//! `sukkal queue`: queues and their messages, through the API of any server of this API.

mod claim;
mod create;
mod list;
mod peek;
mod post;
mod remove;
mod server;
mod show;
mod text;

use clap::{Args, Subcommand};

use super::failure::{Failed, NOTHING, USAGE, failed};
use server::{Server, ServerOptions, Trouble};

const EXAMPLES: &str = "\
Examples:
  export SUKKAL_PROJECT=demo
  sukkal queue post greetings '\"hello\"' '{\"to\": \"all\"}'
  sukkal queue post --text greetings \"hello, plainly\"
  jq -c '.[]' orders.json | sukkal queue post orders --ttl 3600
  sukkal queue peek greetings
  sukkal queue claim greetings -n 5 --delete";

/// A family of commands, and the server that they speak to.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Options {
    #[command(flatten)]
    server: ServerOptions,
    /// Print JSON, a value a line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the project's queues.
    List(list::Options),
    /// Show a queue: its messages in numbers, and its metadata.
    Show {
        /// The queue's name.
        queue: String,
    },
    /// Make sure that a queue exists.
    ///
    /// One that is there already keeps its metadata.
    Create(create::Options),
    /// Post messages; the queue is created if it is missing.
    ///
    /// They are stored in batches, each as a whole or not at all, and the ids of what is stored are
    /// printed, a line each. When something is refused, the error says what is stored; when no answer
    /// comes, nobody knows of the last batch, and the error says how many messages that are.
    Post(post::Options),
    /// Look at messages, oldest first, and leave them as they are.
    ///
    /// A line each: id, age, what is left of its life, body.
    Peek(peek::Options),
    /// Claim messages and print them.
    ///
    /// Nobody else gets them while the claim lasts. With --delete each is deleted once it is printed;
    /// what cannot be printed, since nobody reads the output, goes back to the queue. Without it, the
    /// claim's id is told on standard error, for `ack` and `release`. The status is 3 if there is
    /// nothing to claim.
    Claim(claim::Options),
    /// Delete messages that a claim holds: their work is done.
    Ack(claim::Ack),
    /// Give a claim's messages back to the queue.
    Release(claim::Release),
    /// Delete all messages of a queue, and keep the queue.
    Purge(remove::Purge),
    /// Delete a queue with all that is in it.
    Delete {
        /// The queue's name.
        queue: String,
    },
}

/// Runs a command, and tells what went wrong.
pub fn run(options: Options) -> Result<(), Failed> {
    let server = Server::new(&options.server).map_err(|problem| failed(&problem).with(USAGE))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&format!("the runtime cannot be started: {error}")))?;
    let json = options.json;
    let done = runtime.block_on(async {
        match options.command {
            Command::List(options) => list::run(&server, &options, json).await,
            Command::Show { queue } => show::run(&server, &queue, json).await,
            Command::Create(options) => create::run(&server, &options, json).await,
            Command::Post(options) => post::run(&server, &options, json).await,
            Command::Peek(options) => peek::run(&server, &options, json).await,
            Command::Claim(options) => claim::run(&server, &options, json).await,
            Command::Ack(options) => claim::ack(&server, &options).await,
            Command::Release(options) => claim::release(&server, &options).await,
            Command::Purge(options) => remove::purge(&server, &options, json).await,
            Command::Delete { queue } => remove::delete(&server, &queue, json).await,
        }
    });
    match done {
        // As `… | head` does.
        Ok(()) | Err(Trouble::Unread(_)) => Ok(()),
        Err(trouble) => {
            let told = failed(&trouble.to_string());
            Err(match trouble {
                Trouble::Nothing(_) => told.with(NOTHING),
                Trouble::Input(_) => told.with(USAGE),
                _ => told,
            })
        }
    }
}
