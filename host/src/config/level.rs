//! Levels of the log, by the names that settings use.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tracing_subscriber::filter::LevelFilter;

/// How much is logged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// What happens at start and end.
    Info,
    /// What helps to find a fault.
    Debug,
    /// Every step.
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => LevelFilter::OFF,
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        }
    }
}

pub fn serialize<S: Serializer>(level: &LevelFilter, serializer: S) -> Result<S::Ok, S::Error> {
    // Named as `Level` names them.
    serializer.collect_str(level)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LevelFilter, D::Error> {
    Level::deserialize(deserializer).map(LevelFilter::from)
}

/// Levels of plugins.
pub mod by_name {
    use super::{BTreeMap, Deserialize, Deserializer, Level, LevelFilter, Serializer};
    use crate::config::{Located, Origin};

    type Levels = BTreeMap<String, Located<LevelFilter>>;

    pub fn serialize<S: Serializer>(levels: &Levels, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(levels.iter().map(|(name, level)| (name, level.value.to_string())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Levels, D::Error> {
        let levels = BTreeMap::<String, Level>::deserialize(deserializer)?;
        let located = |level: Level| Located { value: level.into(), origin: Origin::Default };
        Ok(levels.into_iter().map(|(name, level)| (name, located(level))).collect())
    }
}
