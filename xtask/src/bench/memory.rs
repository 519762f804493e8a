//! How much memory the host holds.

use std::time::Duration;

use super::Bench;
use super::load::Load;
use super::report::{Goal, Line, Unit};
use super::server::{Server, Setup};
use crate::failure::Failure;

/// Until a host that was just busy has given back what it does not need.
const SETTLED: Duration = Duration::from_secs(2);

/// Idle, with messages in SQLite, and with every plugin of ours open.
pub fn measure(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    for (n_messages, goal) in [(0, 12.0), (100_000, 40.0), (1_000_000, 120.0)] {
        let server = Server::host(&bench.folder.join("host"), &Setup::sqlite())?;
        if n_messages > 0 {
            Load::stock(n_messages, 0).run(&server)?;
        }
        let what = if n_messages == 0 { "idle, default".to_owned() } else { format!("{n_messages} messages, sqlite") };
        tell(line(&what, resident(&server)?, goal));
    }
    let all = Setup::sqlite().catalog("memory:").pipeline(&["audit", "rate-limit"], "");
    let server = Server::host(&bench.folder.join("host"), &all)?;
    tell(line("idle, every plugin of ours open", resident(&server)?, 40.0));
    Ok(())
}

fn line(what: &str, figure: f64, goal: f64) -> Line {
    let what = format!("resident memory, {what}");
    Line { what, made_of: Vec::new(), figure, unit: Unit::MiB, goal: Goal::AtMost(goal), note: "" }
}

/// What of the process is in memory, in MiB, once it has settled.
fn resident(server: &Server) -> Result<f64, Failure> {
    std::thread::sleep(SETTLED);
    let path = format!("/proc/{}/status", server.id());
    let status = std::fs::read_to_string(&path).map_err(Failure::io(format!("cannot read {path}")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0).ok_or_else(|| Failure::Found(format!("{path} tells no VmRSS")))
}
