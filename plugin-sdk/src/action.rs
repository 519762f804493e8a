//! The wire's vocabulary.

use std::fmt;

macro_rules! actions {
    ($($subject:ident { $($code:literal $variant:ident $name:literal)* })*) => {
        /// What a request asks for, in the words of the websocket API; REST requests map to the same.
        /// `Unknown` is what names nothing: it is refused, and filters see the refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Action {
            /// `unknown`
            Unknown,
            $($(#[doc = concat!("`", $name, "`")] $variant,)*)*
            /// An action of a newer SDK.
            Other(u32),
        }

        impl Action {
            /// Every action that this SDK knows.
            pub const ALL: &[Action] = &[Action::Unknown, $($(Action::$variant),*),*];

            /// Its name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    Action::Unknown => "unknown",
                    $($(Action::$variant => $name,)*)*
                    Action::Other(_) => "other",
                }
            }

            /// What it is about; none where nobody knows what is asked for.
            pub fn subject(self) -> Option<Subject> {
                match self {
                    $($(Action::$variant)|* => Some(Subject::$subject),)*
                    Action::Unknown | Action::Other(_) => None,
                }
            }

            /// The number under which it crosses the boundary, below 128.
            pub fn code(self) -> u32 {
                match self {
                    Action::Unknown => 0,
                    $($(Action::$variant => $code,)*)*
                    Action::Other(code) => code,
                }
            }

            /// The action of a number.
            pub fn from_code(code: u32) -> Action {
                match code {
                    0 => Action::Unknown,
                    $($($code => Action::$variant,)*)*
                    other => Action::Other(other),
                }
            }
        }
    };
}

actions! {
    Service {
        1 Versions "get_versions"
        2 Home "get_home_doc"
        3 Ping "ping_node"
        4 Health "check_node_health"
        5 Authenticate "authenticate"
        6 Document "get_api_document"
    }
    Queue {
        10 QueueList "queue_list"
        11 QueueCreate "queue_create"
        12 QueueGet "queue_get"
        13 QueueUpdate "queue_update"
        14 QueueDelete "queue_delete"
        15 QueueStats "queue_get_stats"
        16 QueuePurge "queue_purge"
        17 QueueShare "queue_share"
        18 QueueExists "queue_exists"
    }
    Message {
        20 MessagePost "message_post"
        21 MessageList "message_list"
        22 MessageGet "message_get"
        23 MessageGetMany "message_get_many"
        24 MessageDelete "message_delete"
        25 MessageDeleteMany "message_delete_many"
    }
    Claim {
        30 ClaimCreate "claim_create"
        31 ClaimGet "claim_get"
        32 ClaimUpdate "claim_update"
        33 ClaimDelete "claim_delete"
    }
    Subscription {
        40 SubscriptionList "subscription_list"
        41 SubscriptionCreate "subscription_create"
        42 SubscriptionGet "subscription_get"
        43 SubscriptionUpdate "subscription_update"
        44 SubscriptionDelete "subscription_delete"
        45 SubscriptionConfirm "subscription_confirm"
    }
    Topic {
        50 TopicList "topic_list"
        51 TopicCreate "topic_create"
        52 TopicGet "topic_get"
        53 TopicUpdate "topic_update"
        54 TopicDelete "topic_delete"
        55 TopicStats "topic_get_stats"
        56 TopicPurge "topic_purge"
        57 TopicExists "topic_exists"
    }
    Pool {
        60 PoolList "pool_list"
        61 PoolCreate "pool_create"
        62 PoolGet "pool_get"
        63 PoolUpdate "pool_update"
        64 PoolDelete "pool_delete"
    }
    Flavor {
        70 FlavorList "flavor_list"
        71 FlavorCreate "flavor_create"
        72 FlavorGet "flavor_get"
        73 FlavorUpdate "flavor_update"
        74 FlavorDelete "flavor_delete"
    }
}

/// What an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// The service itself: its documents, its health, who one is.
    Service,
    /// Queues.
    Queue,
    /// Messages.
    Message,
    /// Claims.
    Claim,
    /// Subscriptions.
    Subscription,
    /// Topics: queues that only subscribers read.
    Topic,
    /// Pools.
    Pool,
    /// Flavors.
    Flavor,
}

impl Action {
    /// The action of a name on the wire.
    pub fn from_name(name: &str) -> Option<Action> {
        Action::ALL.iter().copied().find(|action| action.name() == name && *action != Action::Unknown)
    }

    /// Whether it is served only in `admin_mode` (spec: REST §1.4): without that there is no such action.
    pub fn needs_admin_mode(self) -> bool {
        self == Action::Health || matches!(self.subject(), Some(Subject::Pool | Subject::Flavor))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_one_to_one() {
        for (index, action) in Action::ALL.iter().enumerate() {
            assert_eq!(Action::from_code(action.code()), *action);
            assert_eq!(Action::from_name(action.name()), Some(*action).filter(|action| *action != Action::Unknown));
            assert!(action.code() < 128, "an interest has 128 bits");
            assert_eq!(action.subject().is_none(), *action == Action::Unknown);
            assert!(Action::ALL[index + 1..].iter().all(|other| other.code() != action.code()));
        }
    }
}
