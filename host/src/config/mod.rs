//! Settings: a TOML file, the environment over it, defaults for the rest.
//!
//! `raw` holds them as typed, `check` makes a [`Config`] of them or tells every mistake at once.
//! What only the plugins know (schemes, names, their own settings) is checked when they are loaded,
//! and told in the same form.

mod check;
mod mistake;
mod ranges;
mod raw;
mod section;
mod settings;
mod typed;
mod unknown;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sukkal_core::{Api, Limits, OnError};
use sukkal_plugin_sdk::Action;
use tracing_subscriber::filter::LevelFilter;

pub use mistake::{Mistake, Origin, nearest};
pub use section::Located;
pub use settings::Settings;

/// Every setting, valid.
pub struct Config {
    /// Where plugins keep their files; relative paths in URIs are below it.
    pub data_dir: PathBuf,
    /// Where plugins are looked for; `None`: beside the executable.
    pub plugin_dirs: Option<Vec<Located<PathBuf>>>,
    /// The catalog's URI.
    pub catalog: Located<String>,
    /// The URI of the pool for queues without a flavor.
    pub default_pool: Option<Located<String>>,
    /// The filters in use, by name and in order.
    pub pipeline: Vec<Located<String>>,
    /// How long requests may go on when the host is told to stop.
    pub shutdown_grace: Duration,
    /// The REST transport.
    pub rest: Rest,
    /// Switches of the API.
    pub api: Api,
    /// Limits on what requests may ask for.
    pub limits: Limits,
    /// What is set for filters, by their names.
    pub filters: BTreeMap<String, FilterConfig>,
    /// The settings of plugins that provide stores, by the plugins' names.
    pub plugins: BTreeMap<String, Settings>,
    /// What is logged.
    pub log: Log,
}

/// The REST transport.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How many connections there may be at once.
    pub max_connections: u32,
    /// How long nothing may move on a connection.
    pub idle_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
}

/// How a filter is used.
pub struct FilterConfig {
    /// How long each of its hooks may take.
    pub timeout: Duration,
    /// What happens to a request when it fails.
    pub on_error: OnError,
    /// Whether its hooks get threads of its plugin's, since its code blocks.
    pub isolate: bool,
    /// The projects that it is for; empty: all.
    pub projects: Vec<String>,
    /// The queues that it is for, as patterns (`*`, `?`); empty: all.
    pub queues: Vec<glob::Pattern>,
    /// The actions that it is for; empty: all.
    pub actions: Vec<Action>,
    /// Its own settings.
    pub settings: Settings,
    /// Where its section stands.
    pub origin: Origin,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Log {
    /// The most detailed level of the host, and of plugins for which nothing else is said.
    pub level: LevelFilter,
    /// The form of the lines.
    pub format: Format,
    /// The most detailed level of single plugins.
    pub plugins: BTreeMap<String, Located<LevelFilter>>,
}

/// The form of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads file and environment.
    ///
    /// # Errors
    /// Every mistake that can be found without plugins.
    pub fn load(file: Option<&Path>, env: impl IntoIterator<Item = (String, String)>) -> Result<Config, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let root = raw::read(file, env, &mut mistakes);
        let config = check::check(&root, &mut mistakes);
        if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
    }
}

impl Default for Rest {
    fn default() -> Self {
        Rest {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8888)),
            max_connections: 10_000,
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: LevelFilter::INFO, format: Format::Text, plugins: BTreeMap::new() }
    }
}

/// The scheme of a URI, if it has one.
pub fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let well_formed = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    well_formed.then_some(scheme)
}

#[cfg(test)]
mod tests;
