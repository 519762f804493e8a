//! The host's log, on standard error.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{Format, Log};

/// The target of every line that comes from a plugin.
pub const PLUGIN: &str = "plugin";

/// Starts logging. Called once.
pub fn start(log: &Log) {
    let lines = fmt::layer().with_writer(std::io::stderr);
    let layer = match log.format {
        Format::Text => lines.with_ansi(false).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(filter(log))).try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
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
