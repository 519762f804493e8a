//! The host's log, on standard error.

use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{Format, Log};

/// The target of every line that comes from a plugin.
pub const PLUGIN: &str = "plugin";

/// Changes what is logged, once logging has started.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging. Called once.
pub fn start(log: &Log) {
    let (filter, handle) = reload::Layer::new(filter(log));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let layer = match log.format {
        Format::Text => lines.with_ansi(false).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    match tracing_subscriber::registry().with(layer.with_filter(filter)).try_init() {
        Ok(()) => drop(FILTER.set(handle)),
        Err(_) => tracing::debug!("logging was started before"),
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
