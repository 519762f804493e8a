//! A plugin that takes a second and a half to tell its manifest.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::time::Duration;

use sukkal_plugin_sdk::schemars::{JsonSchema, Schema, SchemaGenerator};
use sukkal_plugin_sdk::{Deserialize, Filter, Interest, Open, Result};

sukkal_plugin_sdk::export_plugin! {
    settings: Settings,
    filters: { "slow-at-load" => open },
}

/// The manifest holds the schema of the settings, which is made when the host asks for it.
#[derive(Debug, Deserialize)]
#[serde(crate = "sukkal_plugin_sdk::serde")]
pub struct Settings {}

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        std::thread::sleep(Duration::from_millis(1500));
        Schema::default()
    }
}

struct Nothing;

impl Filter for Nothing {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::none()
    }
}

async fn open(_open: Open<Settings>) -> Result<Nothing> {
    Ok(Nothing)
}
