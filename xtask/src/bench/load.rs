//! The load generator: the built `sukkal bench`, so that anyone can repeat a figure by hand.

use std::process::Command;

use serde_json::Value;

use super::server::Server;
use crate::failure::Failure;
use crate::project;

/// Messages are spread over so many queues.
pub const QUEUES: usize = 8;
/// The client of every request: listings leave out one's own messages by it.
const CLIENT: &str = "3381af92-2b9e-11e3-b191-71861300734c";

/// A run of the load generator: what is done, and how much of it.
#[derive(Clone, Debug)]
pub struct Load {
    work: &'static str,
    over_websocket: bool,
    arguments: Vec<String>,
}

/// What a measurement gave; latencies in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Pieces of work a second.
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
    /// The work ran out before the time did.
    pub drained: bool,
    /// What was due and never begun.
    pub never_begun: u64,
}

impl Measured {
    /// The one of two turns with the higher rate.
    pub fn better(self, other: Measured) -> Measured {
        if other.rate > self.rate { other } else { self }
    }
}

impl Load {
    /// Work as `sukkal bench` calls it, on messages of 1 KiB in eight queues, which stay.
    pub fn new(work: &'static str) -> Load {
        Load { work, over_websocket: false, arguments: Vec::new() }.with("queues", QUEUES)
    }

    /// So many messages, each hidden for so many seconds, that stay there to be found.
    pub fn stock(n_messages: usize, delay: u64) -> Load {
        // The post that is counted comes after those that fill.
        Load::new("post").with("fill", n_messages).with("count", 1).with("delay", delay).with("connections", 16)
    }

    /// The same with other work.
    pub fn doing(mut self, work: &'static str) -> Load {
        self.work = work;
        self
    }

    /// The same over the websocket.
    pub fn over_websocket(self) -> Load {
        Load { over_websocket: true, ..self }
    }

    /// An option of `sukkal bench`, in place of what it was.
    pub fn with(mut self, option: &str, value: impl ToString) -> Load {
        let option = format!("--{option}=");
        self.arguments.retain(|argument| !argument.starts_with(&option));
        self.arguments.push(option + &value.to_string());
        self
    }

    /// An option of `sukkal bench` that takes no value.
    pub fn flag(mut self, option: &str) -> Load {
        self.arguments.push(format!("--{option}"));
        self
    }

    /// Does it.
    pub fn run(&self, server: &Server) -> Result<Measured, Failure> {
        let mut command = Command::new(project::target().join("release").join("sukkal"));
        command.args(["bench", self.work, "--json", "--keep", "--client-id", CLIENT]);
        let websocket = server.websocket.filter(|_| self.over_websocket);
        let url = websocket.map_or(format!("http://{}", server.address), |address| format!("ws://{address}"));
        command.arg("--url").arg(url).args(&self.arguments);
        let output = project::output(&mut command)?;
        let found = |what: &str| Failure::Found(format!("`sukkal bench {}`: {what}", self.work));
        let report: Value = serde_json::from_slice(&output).map_err(|error| found(&error.to_string()))?;
        if report["errors"].as_object().is_none_or(|errors| !errors.is_empty()) {
            return Err(found(&format!("the server failed: {}", report["errors"])));
        }
        let number = |value: &Value| value.as_f64().ok_or_else(|| found("the report lacks a figure"));
        Ok(Measured {
            rate: number(&report["per_second"])?,
            p50: number(&report["latency_ms"]["p50"])?,
            p99: number(&report["latency_ms"]["p99"])?,
            max: number(&report["latency_ms"]["max"])?,
            drained: report["drained"] == true,
            never_begun: report["never_begun"].as_u64().unwrap_or(0),
        })
    }
}
