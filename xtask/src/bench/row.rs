//! The figures that are measured, by the names under which one asks for them.

use super::report::Line;
use super::{Bench, connections, depth, hosts, memory, metrics, rate, redis, start, wait, websocket};
use crate::failure::Failure;

/// Measures, and hands over each line as it is known.
pub type Measure = fn(&Bench, &mut dyn FnMut(Line)) -> Result<(), Failure>;

/// A row of the table, or some that are measured together.
#[derive(Clone, Copy)]
pub struct Row {
    /// What `--only` takes.
    pub name: &'static str,
    /// How it is measured.
    pub measure: Measure,
}

/// Every row, in the order in which they are measured.
pub const ROWS: [Row; 20] = [
    Row { name: "post-sqlite", measure: rate::post_sqlite },
    Row { name: "post-memory", measure: rate::post_memory },
    Row { name: "claim-sqlite", measure: rate::claim_sqlite },
    Row { name: "claim-memory", measure: rate::claim_memory },
    Row { name: "websocket", measure: websocket::measure },
    Row { name: "wait", measure: wait::measure },
    Row { name: "idle-filter", measure: rate::idle_filter },
    Row { name: "metrics", measure: metrics::measure },
    Row { name: "latency-sqlite", measure: rate::latency_sqlite },
    Row { name: "latency-memory", measure: rate::latency_memory },
    Row { name: "memory", measure: memory::measure },
    Row { name: "connections", measure: connections::measure },
    Row { name: "start", measure: start::measure },
    Row { name: "depth-messages", measure: depth::messages },
    Row { name: "depth-delayed", measure: depth::delayed },
    Row { name: "depth-expired", measure: depth::expired },
    Row { name: "depth-queues", measure: depth::queues },
    Row { name: "redis", measure: redis::rates },
    Row { name: "redis-depth", measure: redis::depths },
    Row { name: "redis-hosts", measure: hosts::measure },
];

/// The row of this name.
pub fn named(name: &str) -> Result<Row, String> {
    let names = || ROWS.map(|row| row.name).join(", ");
    ROWS.into_iter().find(|row| row.name == name).ok_or_else(|| format!("there are {}", names()))
}
