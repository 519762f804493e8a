//! The smallest plugin: a filter that wants nothing.
#![forbid(unsafe_code)]

use sukkal_plugin_sdk::{Deserialize, Filter, Interest, JsonSchema, Open, Result};

sukkal_plugin_sdk::export_plugin! {
    settings: Settings,
    filters: { "smallest" => open },
}

/// It has none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {}

struct Smallest;

impl Filter for Smallest {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::none()
    }
}

async fn open(_open: Open<Settings>) -> Result<Smallest> {
    Ok(Smallest)
}
