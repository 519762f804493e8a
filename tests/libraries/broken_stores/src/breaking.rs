//! The settings, and how a store of SQLite's is opened behind them.

use std::sync::atomic::{AtomicU32, Ordering};

use sukkal_plugin_sdk::{Deserialize, JsonSchema, Open, Serialize};

use crate::sqlite::settings::Settings;

/// Settings of both stores.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Breaking {
    /// The case of the conformance kit whose promise is broken; empty for none.
    #[serde(rename = "break")]
    pub case: String,
}

/// Cases in which a store forgets all that it held when it is closed.
const FORGETS: [&str; 5] = [
    "pool.restart.messages",
    "pool.restart.claims",
    "pool.restart.rule",
    "catalog.restart.records",
    "catalog.restart.revisions",
];

/// What SQLite's store is opened with. One that forgets has another file each time.
pub fn sound(open: &Open<Breaking>) -> Open<Settings> {
    static OPENED: AtomicU32 = AtomicU32::new(0);
    let file = open.uri.trim_start_matches("broken:");
    let file = match FORGETS.contains(&open.settings.case.as_str()) {
        true => format!("{}-{file}", OPENED.fetch_add(1, Ordering::Relaxed)),
        false => file.to_owned(),
    };
    Open { uri: format!("sqlite:{file}"), settings: Settings::default(), host: open.host.clone() }
}
