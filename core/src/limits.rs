//! Every limit and switch of the API, with default and unit (spec: REST §9).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sukkal_plugin_sdk::Action;

/// Limits on what requests may ask for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Life of a message whose post and queue name none, in seconds.
    #[schemars(range(min = MIN_TTL, max = LONGEST))]
    pub default_message_ttl: u64,
    /// Delay of a message whose post and queue name none, in seconds.
    #[schemars(range(min = 0, max = LONGEST))]
    pub default_message_delay: u64,
    /// Life of a claim that names none, in seconds.
    #[schemars(range(min = MIN_TTL, max = LONGEST))]
    pub default_claim_ttl: u64,
    /// Grace of a claim that names none, in seconds.
    #[schemars(range(min = MIN_TTL, max = LONGEST))]
    pub default_claim_grace: u64,
    /// Life of a subscription that names none, in seconds.
    #[schemars(range(min = MIN_TTL, max = LONGEST))]
    pub default_subscription_ttl: u64,
    /// Most queues or topics of one page.
    #[schemars(range(min = 1, max = WIDEST))]
    pub max_queues_per_page: u32,
    /// Most messages of one page, and most ids of one request.
    #[schemars(range(min = 1, max = WIDEST))]
    pub max_messages_per_page: u32,
    /// Most subscriptions of one page.
    #[schemars(range(min = 1, max = WIDEST))]
    pub max_subscriptions_per_page: u32,
    /// Most pools of one page.
    #[schemars(range(min = 1, max = WIDEST))]
    pub max_pools_per_page: u32,
    /// Most flavors of one page.
    #[schemars(range(min = 1, max = WIDEST))]
    pub max_flavors_per_page: u32,
    /// Most messages of one claim or pop.
    #[schemars(range(min = 1, max = WIDEST))]
    pub max_messages_per_claim_or_pop: u32,
    /// Largest metadata of a queue, in bytes; over the websocket, of its `metadata` as they come.
    #[schemars(range(min = 2, max = LARGEST))]
    pub max_queue_metadata: u64,
    /// Largest body of a post, in bytes; over the websocket, of its `messages` as they come. Those that come as MessagePack
    /// are up to six times as long in JSON, which is how they are stored and how others read them.
    #[schemars(range(min = 1, max = LARGEST))]
    pub max_messages_post_size: u64,
    /// Longest life of a message, in seconds; also where its queue says a longer one.
    #[schemars(range(min = MIN_TTL, max = LONGEST))]
    pub max_message_ttl: u64,
    /// Longest delay of a message, in seconds; also where its queue says a longer one.
    #[schemars(range(min = 0, max = LONGEST))]
    pub max_message_delay: u64,
    /// Longest life of a claim, in seconds.
    #[schemars(range(min = MIN_TTL, max = LONGEST))]
    pub max_claim_ttl: u64,
    /// Longest grace of a claim, in seconds.
    #[schemars(range(min = MIN_TTL, max = LONGEST))]
    pub max_claim_grace: u64,
    /// Shortest client id, where those need not be UUIDs.
    #[schemars(range(min = 1, max = 1024))]
    pub min_length_client_id: usize,
    /// Longest client id, where those need not be UUIDs.
    #[schemars(range(min = 1, max = 1024))]
    pub max_length_client_id: usize,
    /// The longest wait that a claim or a listing may ask for (`wait`), in seconds; 0: none may.
    #[schemars(range(min = 0, max = 3600))]
    pub max_wait: u64,
    /// How long the key of an idempotent post is remembered, from its first use, in seconds.
    #[schemars(range(min = 1, max = 604_800))]
    pub idempotency_window: u64,
    /// How long a request may take in all, in seconds; then it is answered with 503. One that asks to
    /// wait may take so much longer.
    #[schemars(range(min = 1, max = 3600))]
    pub request_timeout: u64,
}

/// A hundred years, in seconds: longer lives are mistakes, and would not fit a store's clock.
const LONGEST: u64 = 3_155_760_000;
/// What one request may hold in memory at the most, in bytes.
const LARGEST: u64 = 1 << 30;
/// The most items that one answer may have.
const WIDEST: u64 = 100_000;
/// The least ttl of messages, claims and subscriptions and the least grace, in seconds. Fixed.
pub const MIN_TTL: u64 = 60;
/// How many items a page or a claim has where nothing is said. Fixed.
pub const DEFAULT_PAGE: u32 = 10;
/// The longest name of a queue or topic, in characters. Fixed.
pub const MAX_NAME: usize = 64;
/// The longest project id, in characters. Fixed.
pub const MAX_PROJECT: usize = 256;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            default_message_ttl: 3600,
            default_message_delay: 0,
            default_claim_ttl: 300,
            default_claim_grace: 60,
            default_subscription_ttl: 3600,
            max_queues_per_page: 20,
            max_messages_per_page: 20,
            max_subscriptions_per_page: 20,
            max_pools_per_page: 20,
            max_flavors_per_page: 20,
            max_messages_per_claim_or_pop: 20,
            max_queue_metadata: 65_536,
            max_messages_post_size: 262_144,
            max_message_ttl: 1_209_600,
            max_message_delay: 900,
            max_claim_ttl: 43_200,
            max_claim_grace: 43_200,
            min_length_client_id: 10,
            max_length_client_id: 36,
            max_wait: 20,
            idempotency_window: 600,
            request_timeout: 30,
        }
    }
}

impl Limits {
    /// The largest body that any request may have: what a transport reads at the most.
    pub fn max_body(&self) -> u64 {
        self.max_messages_post_size.max(self.max_queue_metadata)
    }

    /// The largest body of an action, as far as it has a limit of its own.
    pub fn max_body_of(&self, action: Action) -> u64 {
        match action {
            Action::MessagePost => self.max_messages_post_size,
            Action::QueueCreate | Action::QueueUpdate | Action::TopicCreate | Action::TopicUpdate => {
                self.max_queue_metadata
            }
            Action::PoolCreate | Action::PoolUpdate | Action::FlavorCreate | Action::FlavorUpdate => {
                self.max_queue_metadata
            }
            _ => self.max_body(),
        }
    }
}

/// Switches of the API.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Serve the administrators' paths: pools, flavors, health.
    pub admin_mode: bool,
    /// Show a checksum with each message.
    pub enable_checksum: bool,
    /// Whether client ids must be UUIDs.
    pub client_id_uuid_safe: ClientIds,
    /// Deleting messages by ids needs their claims' ids as well.
    pub message_delete_with_claim_id: bool,
}

/// Which client ids are accepted (spec: REST §1.8).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ClientIds {
    /// UUIDs alone.
    #[default]
    Strict,
    /// Any text within the length limits.
    Off,
}
