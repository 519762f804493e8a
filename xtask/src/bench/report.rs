//! The figures, for people and for programs.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::load::Measured;
use super::work::Work;

/// One line of the table.
#[derive(Debug)]
pub struct Figure {
    pub work: Work,
    pub connections: usize,
    pub ceiling: Measured,
    pub host: Measured,
}

impl Figure {
    /// The host's rate as a share of the ceiling's.
    fn ratio(&self) -> f64 {
        if self.ceiling.rate > 0.0 { self.host.rate / self.ceiling.rate } else { 0.0 }
    }
}

/// A whole run.
#[derive(Debug)]
pub struct Report {
    pub figures: Vec<Figure>,
    pub seconds: u64,
    pub turns: u32,
}

impl Report {
    /// A table for a terminal.
    pub fn table(&self) -> String {
        let mut table =
            format!("best of {} turn(s) of {} s each; SQLite, synchronous FULL\n", self.turns, self.seconds);
        table.push_str("work                    C    ceiling/s       host/s    ratio      p50 ms    p99 ms\n");
        for figure in &self.figures {
            // Writing to a String does not fail.
            let _ = writeln!(
                table,
                "{:<21}{:>4} {:>12.0} {:>12.0} {:>7.1}% {:>11.3} {:>9.3}{}",
                figure.work.name(),
                figure.connections,
                figure.ceiling.rate,
                figure.host.rate,
                figure.ratio() * 100.0,
                millis(figure.host.latencies.per_mille(500)),
                millis(figure.host.latencies.per_mille(990)),
                if figure.host.drained { "  (queues ran empty)" } else { "" },
            );
        }
        table
    }

    /// The same as JSON.
    pub fn json(&self) -> String {
        let figures = self.figures.iter().map(|figure| {
            json!({
                "work": figure.work.name(),
                "connections": figure.connections,
                "ceiling_per_second": figure.ceiling.rate.round(),
                "host_per_second": figure.host.rate.round(),
                "ratio": (figure.ratio() * 1000.0).round() / 1000.0,
                "p50_ms": millis(figure.host.latencies.per_mille(500)),
                "p99_ms": millis(figure.host.latencies.per_mille(990)),
                "drained": figure.host.drained,
            })
        });
        let figures: Vec<Value> = figures.collect();
        json!({ "seconds": self.seconds, "turns": self.turns, "figures": figures }).to_string()
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
