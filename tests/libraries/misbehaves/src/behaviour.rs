//! The settings: what is done, and where.

use sukkal_plugin_sdk::{Deserialize, JsonSchema, Serialize};

/// What is done, and where.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Behaviour {
    /// A moment of the filter or a method of the pool; empty for each of them.
    pub at: String,
    /// What is done there.
    pub does: Does,
    /// A secret, with which nothing is done.
    pub token: String,
}

/// What can be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", rename_all = "snake_case")]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub enum Does {
    /// Its work.
    #[default]
    Well,
    /// Panics with a text, before anything is awaited.
    PanicText,
    /// Panics with a number, before anything is awaited.
    PanicNumber,
    /// Panics with a text, after something was awaited.
    LatePanicText,
    /// Panics with a number, after something was awaited.
    LatePanicNumber,
    /// Never ends, and panics when it is dropped.
    PanicInDrop,
    /// Never ends.
    Never,
    /// Never ends, and logs when it is dropped.
    Waits,
    /// Takes three seconds.
    Slow,
    /// Fails.
    Fail,
    /// Fails, in words that would pass for lines of their own and move a terminal's cursor.
    FailInLines,
    /// Holds its thread for three seconds.
    Block,
    /// Holds its thread for good.
    BlockForGood,
    /// Filter: gives back one message more. Pool: one place more for a post.
    OneMore,
    /// Filter: makes a body that is no JSON.
    NoJson,
    /// Filter: makes an answer whose status is none of an answer's.
    NoStatus,
    /// Filter: makes an answer another one, and fails.
    Spoils,
    /// Filter: makes an answer with headers that tell where it ends, and what becomes of its connection.
    Frames,
    /// Filter: knows whoever has a token `lasts-SECONDS`, for so long, in the project that is named; with
    /// `lasts-SECONDS-in-PROJECT` in that one, as the user `u` in the role `member`.
    Identifies,
    /// Uses timers, tasks, sockets, blocking tasks and threads.
    Works,
    /// Logs in every way.
    Logs,
}

impl Behaviour {
    /// What is done at a place.
    pub fn at(&self, place: &str) -> Does {
        if self.at.is_empty() || self.at == place { self.does } else { Does::Well }
    }
}
