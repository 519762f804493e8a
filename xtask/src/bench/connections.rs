//! What idle websockets and long polls hold, and whether they leave anything behind.

use std::process::Command;

use serde_json::Value;

use super::Bench;
use super::report::{Goal, Line, Unit};
use crate::failure::Failure;
use crate::project;

const SOCKETS: usize = 10_000;
const POLLS: usize = 1_000;

/// Runs the same as the tests do, against the host as it is released.
pub fn measure(_bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    let mut command = Command::new(project::target().join("release").join("connections"));
    command.args([SOCKETS, POLLS].map(|count| count.to_string()));
    let printed = project::output(&mut command)?;
    let wrong = |why: &str| Failure::Found(format!("`connections`: {why}"));
    let figures: Value = serde_json::from_slice(&printed).map_err(|error| wrong(&error.to_string()))?;
    let lines = [
        (format!("memory of an idle websocket, {SOCKETS} open"), "bytes_a_socket", Unit::KiB, 16.0),
        (format!("memory of a long poll, {POLLS} waiting"), "bytes_a_poll", Unit::KiB, 40.0),
        (format!("left behind by {SOCKETS} more websockets"), "bytes_left", Unit::MiB, 8.0),
    ];
    for (what, name, unit, goal) in lines {
        let bytes = figures[name].as_f64().ok_or_else(|| wrong("it lacks a figure"))?;
        let figure = bytes / if matches!(unit, Unit::KiB) { 1024.0 } else { 1024.0 * 1024.0 };
        tell(Line { what, made_of: Vec::new(), figure, unit, goal: Goal::AtMost(goal), note: "" });
    }
    Ok(())
}
