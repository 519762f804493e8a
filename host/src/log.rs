//! The host's log, on standard error.

use std::io::{self, Write};
use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{Format, Log};
use crate::terminal::plain;

/// The target of every line that comes from a plugin.
pub const PLUGIN: &str = "plugin";

/// Changes what is logged, once logging has started.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging. Called once.
pub fn start(log: &Log) {
    let (filter, handle) = reload::Layer::new(filter(log));
    let layer = match log.format {
        Format::Text => fmt::layer().with_writer(|| OneLine(io::stderr())).with_ansi(false).boxed(),
        // What could end a line is escaped there.
        Format::Json => fmt::layer().with_writer(io::stderr).json().flatten_event(true).boxed(),
    };
    match tracing_subscriber::registry().with(layer.with_filter(filter)).try_init() {
        Ok(()) => drop(FILTER.set(handle)),
        Err(_) => tracing::debug!("logging was started before"),
    }
}

/// Keeps what is written at once in one line, whatever is in it: a plugin's error, or a client's text.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        // One call, so that no other line comes between.
        let line = plain(&String::from_utf8_lossy(line)).into_owned() + "\n";
        self.0.write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Puts other levels in force. The form of the lines stays.
pub fn set_levels(log: &Log) {
    if let Some(handle) = FILTER.get()
        && let Err(error) = handle.reload(filter(log))
    {
        tracing::error!(%error, "the levels of the log could not be changed");
    }
}

/// Ours at the level that is set; what we stand on only from warnings up; plugins have passed their
/// own level already.
fn filter(log: &Log) -> Targets {
    let plugins = log.plugins.values().map(|level| level.value).chain([log.level]).max().unwrap_or(LevelFilter::OFF);
    Targets::new()
        .with_default(log.level.min(LevelFilter::WARN))
        .with_target("sukkal", log.level)
        .with_target("sukkal_core", log.level)
        .with_target("sukkal_plugin_sdk", log.level)
        .with_target(PLUGIN, plugins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_stays_one_line_whatever_is_in_it() {
        let mut log = OneLine(Vec::new());
        for line in ["one\n", "two\r\nINFO a forged one\u{1b}[2K\u{85}\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(String::from_utf8(log.0).unwrap(), "one\ntwo  INFO a forged one [2K \n");
    }
}
