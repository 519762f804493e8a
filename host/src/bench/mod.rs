//! `sukkal bench`: drives any server of this API and tells how fast it answers.
//!
//! The load generator often shares its machine with the server, so it is lean: one thread, requests
//! written into one buffer, answers read in place. [`work`] is what one worker does over and over,
//! [`session`] how an operation travels ([`rest`] or [`ws`]), [`pace`] when the next one is due.

mod connection;
mod failure;
mod fault;
mod head;
mod load;
mod messages;
mod pace;
mod progress;
mod report;
mod rest;
mod server;
mod session;
mod setup;
mod tally;
mod target;
mod timer;
mod work;
mod ws;

use std::time::Duration;

use clap::Args;

pub use failure::Failure;
pub use report::Report;

use target::{Form, Target, Transport};
use work::Work;

use crate::output::note;
use crate::shutdown::Signals;
use crate::terminal::plain;
use crate::token::TokenOptions;

/// What is done, and against which server.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What each connection does over and over.
    #[arg(value_enum, default_value_t = Work::Post)]
    work: Work,
    /// The server: http(s)://… for REST, ws(s)://… for the websocket. Default: that of a host on this machine.
    #[arg(long, env = "SUKKAL_URL")]
    url: Option<String>,
    /// The host at which messages are received (for latency, wait and wait-anew), where it is another one over the same
    /// stores: http(s)://… or ws(s)://…
    #[arg(long, value_name = "URL")]
    receive_at: Option<String>,
    /// What is measured where no --url is given.
    #[arg(long, value_enum)]
    transport: Option<Transport>,
    /// How frames are written on the websocket.
    #[arg(long, value_enum, default_value_t = Form::Json)]
    format: Form,
    /// Requests outstanding on each websocket; over HTTP there is one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    in_flight: u16,
    /// Connections at work at the same time.
    #[arg(long, short, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How long is measured, in seconds, after half a second to warm up.
    #[arg(long, short, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// So many pieces of work, however long they take, in place of a time.
    #[arg(long, conflicts_with_all = ["seconds", "rate"], value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// So many pieces of work a second, whether or not the server keeps up; latencies then count
    /// from the moment at which each was due. Without it each connection goes on as soon as it is answered.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: Option<u64>,
    /// Bytes of each message's body.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(2..=100_000_000))]
    size: u64,
    /// Messages of one post.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// Messages of one claim or listing.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// Time to live of each message, in seconds. Default: the server's.
    #[arg(long)]
    ttl: Option<u64>,
    /// For how long each message is hidden, in seconds. Default: the server's.
    #[arg(long)]
    delay: Option<u64>,
    /// The work is spread over so many queues.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    queues: u32,
    /// What the queues' names begin with.
    #[arg(long, default_value = "sukkal-bench")]
    prefix: String,
    /// Messages to post before the measurement, for work that takes some. Default: what it needs.
    #[arg(long)]
    fill: Option<u64>,
    /// Leave the queues that were made, and what they hold, on the server.
    #[arg(long)]
    keep: bool,
    /// The queues are there already: make none.
    #[arg(long)]
    made: bool,
    /// The project in whose name requests are made.
    #[arg(long, default_value = "sukkal-bench")]
    project: String,
    /// The client in whose name they are made, a UUID. Default: a new one.
    #[arg(long, value_name = "UUID")]
    client_id: Option<String>,
    /// A further header of each request: 'X-Trace: on'. May be given again.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    #[command(flatten)]
    token: TokenOptions,
    /// How long an answer is waited for, in seconds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
    /// Print JSON in place of text.
    #[arg(long)]
    pub json: bool,
}

/// Makes the queues, measures, and removes what it made. A signal ends the measurement before its time; a second
/// one leaves what is not removed yet.
///
/// # Errors
/// The server cannot be reached, or refuses what a measurement needs.
pub fn run(options: &Options) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("the runtime cannot be started"))?;
    runtime.block_on(measured(options))
}

async fn measured(options: &Options) -> Result<Report, Failure> {
    let target = Target::new(options).await?;
    let receiver = Target::receiver(options).await?;
    let mut signals = Signals::new().map_err(Failure::io("signals cannot be handled"))?;
    let (made, outcome) = setup::queues(options, &target, &mut signals).await;
    let outcome = async {
        outcome?;
        let prepared = async {
            setup::fill(options, &target).await?;
            setup::check_empty(options, &target).await
        };
        tokio::select! {
            prepared = prepared => prepared?,
            _ = signals.next() => return Err(Failure::interrupted()),
        }
        load::run(options, &target, receiver.as_ref().unwrap_or(&target), &mut signals).await
    };
    let outcome = outcome.await;
    if !options.keep {
        let removed = tokio::select! {
            removed = setup::remove(options, &target, made) => removed,
            _ = signals.next() => Err(Failure::new("interrupted before all queues were removed")),
        };
        // The measurement is none the worse for it.
        if let Err(left) = removed {
            note(format_args!("sukkal: {}", plain(&left.to_string())));
        }
    }
    outcome
}

impl Options {
    fn connections(&self) -> usize {
        usize::from(self.connections)
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// How many queues there are: where messages are received, each connection has one of its own.
    fn queues(&self) -> usize {
        match self.work {
            work if work.receives() => self.connections(),
            _ => self.queues as usize,
        }
    }
}
