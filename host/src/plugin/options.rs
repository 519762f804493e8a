//! How a store is opened, and how much is done to find a fault: what `verify` hands on to the process
//! of each case.

use std::ffi::OsString;

use sukkal_plugin_sdk::conformance;

/// How a store is opened.
#[derive(Clone, clap::Args)]
pub struct Opening {
    /// The plugin's settings, as a JSON object.
    #[arg(long, default_value = "{}", value_parser = object)]
    pub settings: String,
}

/// How much is done to find a fault.
#[derive(Clone, Copy, clap::Args)]
pub struct Effort {
    /// How many messages a deep queue holds, in the cases of cost: 1000000 for a long run.
    #[arg(long, value_name = "MESSAGES", default_value_t = conformance::DEPTH,
        value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    depth: u32,
    /// How many random histories a case looks at; a tenth of them over kills.
    #[arg(long, value_name = "NUMBER", default_value_t = conformance::HISTORIES,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    histories: u32,
    /// What histories are drawn from: the seed that a failure tells draws its history again. Another
    /// one each time by default.
    #[arg(long, value_name = "NUMBER", default_value_t = conformance::Effort::default().seed, hide_default_value = true)]
    seed: u64,
}

/// A text that is a JSON object.
fn object(text: &str) -> Result<String, String> {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("no JSON object: {error}")),
    }
}

impl Opening {
    /// As it is typed.
    pub fn arguments(&self) -> Vec<OsString> {
        vec![OsString::from(format!("--settings={}", self.settings))]
    }
}

impl Effort {
    /// As it is typed.
    pub fn arguments(&self) -> [OsString; 3] {
        let Effort { depth, histories, seed } = self;
        [format!("--depth={depth}"), format!("--histories={histories}"), format!("--seed={seed}")].map(OsString::from)
    }

    /// As the kit has it.
    pub fn of_the_kit(self) -> conformance::Effort {
        conformance::Effort { depth: self.depth, histories: self.histories, seed: self.seed }
    }
}
