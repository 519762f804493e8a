//! What a measurement gave, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Options;
use super::tally::Tally;
use super::target::{Target, Transport};

/// What a measurement gave.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    work: &'static str,
    url: String,
    transport: &'static str,
    format: &'static str,
    connections: u16,
    /// Requests outstanding on each connection.
    in_flight: u16,
    size: u64,
    queues: usize,
    /// The rate that was asked for.
    rate: Option<u64>,
    /// How long was measured.
    seconds: f64,
    done: u64,
    per_second: f64,
    latency_ms: Latency,
    /// How often work failed, by status or by what became of the connection; also while warming up.
    errors: BTreeMap<String, u64>,
    /// The same for people, with the server's words.
    #[serde(skip)]
    errors_in_words: String,
    /// What was due and was never begun, since the server did not keep up with the rate.
    never_begun: u64,
    /// The queues ran empty before the time was over.
    drained: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Latency {
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p999: f64,
    max: f64,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        target: &Target,
        tally: &Tally,
        time: Duration,
        drained: bool,
        never_begun: u64,
    ) -> Report {
        let seconds = time.as_secs_f64();
        Report {
            work: options.work.name(),
            url: target.url.clone(),
            transport: target.transport.name(),
            format: options.format.name(),
            connections: options.connections,
            in_flight: options.in_flight,
            size: options.size,
            queues: options.queues(),
            rate: options.rate,
            seconds,
            done: tally.n_done(),
            per_second: if seconds > 0.0 { tally.n_done() as f64 / seconds } else { 0.0 },
            latency_ms: Latency {
                mean: tally.mean_millis(),
                p50: tally.millis_at(0.5),
                p90: tally.millis_at(0.9),
                p99: tally.millis_at(0.99),
                p999: tally.millis_at(0.999),
                max: tally.millis_at(1.0),
            },
            errors: tally.faults().map(|(name, count)| (name.to_owned(), count)).collect(),
            errors_in_words: tally.faults_in_words(),
            never_begun,
            drained,
        }
    }

    /// One line of JSON.
    pub fn json(&self) -> String {
        // Strings and numbers alone: this does not fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { work, url, transport, format, connections, in_flight, size, queues, .. } = self;
        let Report { seconds, done, per_second, .. } = self;
        write!(f, "{work} at {url}: {connections} connection(s), ")?;
        if *transport == Transport::Ws.name() {
            write!(f, "{in_flight} in flight on each, {format}, ")?;
        }
        writeln!(f, "{queues} queue(s), bodies of {size} bytes")?;
        writeln!(f, "{done} in {seconds:.2} s: {per_second:.0}/s")?;
        let Latency { mean, p50, p90, p99, p999, max } = self.latency_ms;
        writeln!(
            f,
            "latency in ms: mean {mean:.3}, p50 {p50:.3}, p90 {p90:.3}, p99 {p99:.3}, p99.9 {p999:.3}, max {max:.3}"
        )?;
        write!(f, "errors: {}", if self.errors.is_empty() { "none" } else { &self.errors_in_words })?;
        if let Some(rate) = self.rate {
            write!(f, "\nlatencies count from when each was due, at {rate}/s")?;
        }
        if self.never_begun > 0 {
            write!(f, "\nthe server did not keep up: {} were due and never begun", self.never_begun)?;
        }
        if self.drained {
            write!(f, "\nthe queues ran empty early; post more with --fill")?;
        }
        Ok(())
    }
}
