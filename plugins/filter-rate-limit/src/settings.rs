//! Settings.

use sukkal_plugin_sdk::{Deserialize, JsonSchema};

use crate::family::Family;

/// Settings of the rate limit. A family without a limit of its own has the default's; without both
/// it is not limited.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// For each family that has no limit of its own.
    pub default: Option<Limit>,
    /// Posting messages.
    pub post: Option<Limit>,
    /// Listing and reading messages.
    pub read: Option<Limit>,
    /// Making, renewing and reading claims.
    pub claim: Option<Limit>,
    /// Deleting messages and releasing claims, pops included.
    pub delete: Option<Limit>,
    /// Making, changing, listing and counting queues, topics and subscriptions.
    pub manage: Option<Limit>,
    /// The status of a refusal, 400 to 599. Default 503: clients in the field take 429 for success.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// How many projects have buckets of their own, for each family; those beyond share one.
    /// Default 100,000.
    pub max_projects: usize,
}

/// How often.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Limit {
    /// Requests a second, in the long run; 1 to 4,294,967,295.
    #[schemars(range(min = 1, max = u32::MAX))]
    pub per_second: u32,
    /// Requests at once, after a pause; 1 to 4,294,967,295. None: as many as `per_second`.
    #[serde(default)]
    #[schemars(range(min = 1, max = u32::MAX))]
    pub burst: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            default: None,
            post: None,
            read: None,
            claim: None,
            delete: None,
            manage: None,
            status: 503,
            max_projects: 100_000,
        }
    }
}

impl Settings {
    /// The limit of a family.
    pub fn limit(&self, family: Family) -> Option<Limit> {
        let own = match family {
            Family::Post => self.post,
            Family::Read => self.read,
            Family::Claim => self.claim,
            Family::Delete => self.delete,
            Family::Manage => self.manage,
        };
        own.or(self.default)
    }
}
