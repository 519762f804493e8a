//! What the host does for its plugins: clock, log, metrics.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use sukkal_plugin_sdk::load::{HostServices, LogLine, Metric};
use sukkal_plugin_sdk::tracing::Level;
use sukkal_plugin_sdk::{Timestamp, millis};
use tracing_subscriber::filter::LevelFilter;

use super::address;
use crate::config::Log;

/// The host's side of what plugins get. Lives as long as the process, as the libraries do.
pub struct Services {
    /// Wall time when the host started; from then on the clock is monotonic.
    started: Timestamp,
    since: Instant,
    level: LevelFilter,
    levels: BTreeMap<String, LevelFilter>,
}

impl Services {
    /// Starts the clock.
    pub fn start(log: &Log) -> &'static Services {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let levels = log.plugins.iter().map(|(name, level)| (name.clone(), level.value)).collect();
        Box::leak(Box::new(Services {
            started: Timestamp(millis(wall)),
            since: Instant::now(),
            level: log.level,
            levels,
        }))
    }

    /// Now, by the host's clock.
    pub fn now(&self) -> Timestamp {
        self.started.after(self.since.elapsed())
    }
}

/// Emits one line of a plugin's log; a macro because the level of an event is fixed where it is made.
macro_rules! emit {
    ($level:expr, $line:ident, $request:ident) => {
        tracing::event!(
            target: crate::log::PLUGIN, $level, plugin = $line.plugin, module = $line.target, request = $request,
            "{}{}", one_line($line.text), one_line($line.fields)
        )
    };
}

/// What a plugin logs stays one line, and cannot pass for a line of somebody else's: panics have
/// several lines, and a text may hold what a client sent.
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let visible = |letter: char| if letter.is_control() { ' ' } else { letter };
    Cow::Owned(text.chars().map(visible).collect())
}

impl HostServices for Services {
    fn now(&self) -> Timestamp {
        Services::now(self)
    }

    fn log(&self, line: LogLine<'_>) {
        let request = line.request.map(|id| id.to_string());
        let request = request.as_deref();
        match line.level {
            Level::ERROR => emit!(Level::ERROR, line, request),
            Level::WARN => emit!(Level::WARN, line, request),
            Level::INFO => emit!(Level::INFO, line, request),
            Level::DEBUG => emit!(Level::DEBUG, line, request),
            Level::TRACE => emit!(Level::TRACE, line, request),
        }
    }

    fn max_level(&self, plugin: &str) -> LevelFilter {
        self.levels.get(plugin).copied().unwrap_or(self.level)
    }

    /// Nothing collects metrics yet.
    fn metric(&self, _metric: Metric<'_>) {}

    fn address_allowed(&self, address: IpAddr) -> bool {
        address::is_public(address)
    }
}
