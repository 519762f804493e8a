//! The one table of paths and methods (spec: REST §1.4, §1.12, §2–§5).

use sukkal_core::Route;
use sukkal_plugin_sdk::{Action, Target};

use crate::percent;
use crate::transport::document::{ASYNCAPI, OPENAPI};

/// What a path and a method come to.
#[derive(Debug, PartialEq)]
pub struct Resolved {
    /// What is asked for; [`NONE`] where path or method is unknown.
    pub action: Action,
    /// What the path names, percent-decoded and not checked.
    pub target: Target,
    /// Whether path and method are known.
    pub route: Route,
    /// The methods of the path, then `OPTIONS`; empty where the path is unknown.
    pub allow: &'static str,
}

/// Stands for no action at all: filters that want all actions see such requests too.
pub const NONE: Action = Action::Unknown;

/// The methods of one path and what each asks for.
struct Resource {
    actions: &'static [(&'static str, Action)],
    methods: &'static [&'static str],
    allow: &'static str,
}

impl Resource {
    fn needs_admin_mode(&self) -> bool {
        self.actions.iter().any(|(_, action)| action.needs_admin_mode())
    }
}

/// Makes three lists of one, which could not drift apart.
macro_rules! resource {
    ($name:ident $($method:literal $action:ident),*) => {
        static $name: Resource = Resource {
            actions: &[$(($method, Action::$action)),*],
            methods: &[$($method,)* "OPTIONS"],
            allow: concat!($($method, ", ",)* "OPTIONS"),
        };
    };
}

resource!(VERSIONS "GET" Versions, "HEAD" Versions);
resource!(HOME "GET" Home);
resource!(PING "GET" Ping, "HEAD" Ping);
resource!(HEALTH "GET" Health);
resource!(DOCUMENT "GET" Document);
resource!(QUEUES "GET" QueueList);
resource!(QUEUE "GET" QueueGet, "PUT" QueueCreate, "PATCH" QueueUpdate, "DELETE" QueueDelete, "HEAD" QueueExists);
resource!(STATS "GET" QueueStats);
resource!(PURGE "POST" QueuePurge);
resource!(SHARE "POST" QueueShare);
resource!(MESSAGES "GET" MessageList, "POST" MessagePost, "DELETE" MessageDeleteMany);
resource!(MESSAGE "GET" MessageGet, "DELETE" MessageDelete);
resource!(CLAIMS "POST" ClaimCreate);
resource!(CLAIM "GET" ClaimGet, "PATCH" ClaimUpdate, "DELETE" ClaimDelete);

resource!(SUBSCRIPTIONS "GET" SubscriptionList, "POST" SubscriptionCreate);
resource!(SUBSCRIPTION "GET" SubscriptionGet, "PATCH" SubscriptionUpdate, "DELETE" SubscriptionDelete);
resource!(CONFIRM "PUT" SubscriptionConfirm);
resource!(POOLS "GET" PoolList);
resource!(POOL "GET" PoolGet, "PUT" PoolCreate, "PATCH" PoolUpdate, "DELETE" PoolDelete);
resource!(FLAVORS "GET" FlavorList);
resource!(FLAVOR "GET" FlavorGet, "PUT" FlavorCreate, "PATCH" FlavorUpdate, "DELETE" FlavorDelete);
resource!(TOPICS "GET" TopicList);
resource!(TOPIC "GET" TopicGet, "PUT" TopicCreate, "PATCH" TopicUpdate, "DELETE" TopicDelete, "HEAD" TopicExists);
resource!(TOPIC_STATS "GET" TopicStats);
resource!(TOPIC_PURGE "POST" TopicPurge);

/// Finds what a method and a path, as they were sent, ask for.
pub fn resolve(method: &str, path: &str, admin_mode: bool) -> Resolved {
    let Some((resource, target)) = find(path).filter(|(resource, _)| admin_mode || !resource.needs_admin_mode()) else {
        return Resolved { action: NONE, target: Target::default(), route: Route::UnknownPath, allow: "" };
    };
    let action = resource.actions.iter().find(|(name, _)| *name == method).map(|(_, action)| *action);
    let (action, route) = match action {
        Some(action) => (action, Route::Known),
        // These ask for no headers, whatever the method (spec: REST §1.8).
        None if std::ptr::eq(resource, &VERSIONS) => (Action::Versions, Route::WrongMethod(resource.methods)),
        None if std::ptr::eq(resource, &DOCUMENT) => (Action::Document, Route::WrongMethod(resource.methods)),
        None => (NONE, Route::WrongMethod(resource.methods)),
    };
    Resolved { action, target, route, allow: resource.allow }
}

fn find(path: &str) -> Option<(&'static Resource, Target)> {
    let nothing = Target::default();
    let rest = match path {
        "/" => return Some((&VERSIONS, nothing)),
        // The original knows only the latter (spec: REST §1.4).
        "/v2" | "/v2/" => return Some((&HOME, nothing)),
        "/v2/openapi.json" => return Some((&DOCUMENT, Target { item: OPENAPI.to_owned(), ..nothing })),
        "/v2/asyncapi.json" => return Some((&DOCUMENT, Target { item: ASYNCAPI.to_owned(), ..nothing })),
        "/v2/ping" => return Some((&PING, nothing)),
        "/v2/health" => return Some((&HEALTH, nothing)),
        "/v2/pools" => return Some((&POOLS, nothing)),
        "/v2/flavors" => return Some((&FLAVORS, nothing)),
        "/v2/queues" => return Some((&QUEUES, nothing)),
        "/v2/topics" => return Some((&TOPICS, Target { topic: true, ..nothing })),
        _ => path.strip_prefix("/v2/")?,
    };
    let (collection, rest) = rest.split_once('/')?;
    let topic = match collection {
        "queues" => false,
        "topics" => true,
        "pools" => return named(&POOL, rest),
        "flavors" => return named(&FLAVOR, rest),
        _ => return None,
    };
    let mut segments = rest.split('/');
    let name = segments.next()?;
    let below = [segments.next(), segments.next(), segments.next()];
    let resource = if topic { below_topic(below) } else { below_queue(below) };
    let item = below[1].unwrap_or_default();
    // A path is not continued by nothing.
    let whole = segments.next().is_none() && !below.contains(&Some(""));
    resource.filter(|_| whole).map(|resource| (resource, Target { queue: decoded(name), topic, item: decoded(item) }))
}

/// A pool or a flavor: nothing lies below either.
fn named(resource: &'static Resource, name: &str) -> Option<(&'static Resource, Target)> {
    let target = Target { item: decoded(name), ..Target::default() };
    (!name.contains('/')).then_some((resource, target))
}

/// What lies at and below the name of a queue.
fn below_queue(below: [Option<&str>; 3]) -> Option<&'static Resource> {
    Some(match below {
        [None, ..] => &QUEUE,
        [Some("stats"), None, _] => &STATS,
        [Some("purge"), None, _] => &PURGE,
        [Some("share"), None, _] => &SHARE,
        [Some("claims"), None, _] => &CLAIMS,
        [Some("claims"), Some(_), None] => &CLAIM,
        _ => return below_either(below),
    })
}

/// What lies at and below the name of a topic.
fn below_topic(below: [Option<&str>; 3]) -> Option<&'static Resource> {
    Some(match below {
        [None, ..] => &TOPIC,
        [Some("stats"), None, _] => &TOPIC_STATS,
        [Some("purge"), None, _] => &TOPIC_PURGE,
        _ => return below_either(below),
    })
}

/// What queues and topics have alike.
fn below_either(below: [Option<&str>; 3]) -> Option<&'static Resource> {
    Some(match below {
        [Some("messages"), None, _] => &MESSAGES,
        [Some("messages"), Some(_), None] => &MESSAGE,
        [Some("subscriptions"), None, _] => &SUBSCRIPTIONS,
        [Some("subscriptions"), Some(_), None] => &SUBSCRIPTION,
        [Some("subscriptions"), Some(_), Some("confirm")] => &CONFIRM,
        _ => return None,
    })
}

fn decoded(text: &str) -> String {
    percent::decode(text, false).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> (Action, String, String) {
        let resolved = resolve(method, path, true);
        assert_eq!(resolved.route, Route::Known, "{method} {path}");
        (resolved.action, resolved.target.queue, resolved.target.item)
    }

    #[test]
    fn known_paths_name_action_and_target() {
        let at = |action, queue: &str, item: &str| (action, queue.to_owned(), item.to_owned());
        assert_eq!(found("GET", "/"), at(Action::Versions, "", ""));
        assert_eq!(found("GET", "/v2"), at(Action::Home, "", ""));
        assert_eq!(found("GET", "/v2/asyncapi.json"), at(Action::Document, "", "asyncapi"));
        assert_eq!(found("HEAD", "/v2/ping"), at(Action::Ping, "", ""));
        assert_eq!(found("PUT", "/v2/queues/a%2eb"), at(Action::QueueCreate, "a.b", ""));
        assert_eq!(found("GET", "/v2/queues/"), at(Action::QueueGet, "", ""));
        assert_eq!(found("POST", "/v2/queues/q/messages"), at(Action::MessagePost, "q", ""));
        assert_eq!(found("DELETE", "/v2/queues/q/messages/m"), at(Action::MessageDelete, "q", "m"));
        assert_eq!(found("GET", "/v2/topics/t/messages/m"), at(Action::MessageGet, "t", "m"));
        assert_eq!(found("PUT", "/v2/queues/q/subscriptions/s/confirm"), at(Action::SubscriptionConfirm, "q", "s"));
        assert_eq!(found("POST", "/v2/topics/t/subscriptions"), at(Action::SubscriptionCreate, "t", ""));
        assert_eq!(found("GET", "/v2/topics/t/stats"), at(Action::TopicStats, "t", ""));
        assert_eq!(found("GET", "/v2/pools"), at(Action::PoolList, "", ""));
        assert_eq!(found("PATCH", "/v2/pools/p%2e1"), at(Action::PoolUpdate, "", "p.1"));
        assert_eq!(found("PUT", "/v2/flavors/f"), at(Action::FlavorCreate, "", "f"));
        assert!(resolve("GET", "/v2/topics/t/messages", true).target.topic);
        assert!(resolve("GET", "/v2/topics", true).target.topic);
        assert_eq!(found("PATCH", "/v2/queues/q/claims/c"), at(Action::ClaimUpdate, "q", "c"));
    }

    #[test]
    fn unknown_paths_are_told_from_wrong_methods() {
        for path in [
            "/v3",
            "/v2/nosuch",
            "/v2/queues/q/",
            "/v2/queues/q/messages/",
            "/v2/queues/q/messages/m/x",
            "/v2/queues/q/subscriptions/s/x",
            "/v2/queues/q/subscriptions/s/confirm/",
            "/v2/topics/t/claims",
            "/v2/topics/t/share",
            "/v2/pools/p/x",
            "/v2/flavors/f/",
            "/v2/queues//messages/",
            "//",
            "",
        ] {
            assert_eq!(resolve("GET", path, true).route, Route::UnknownPath, "{path}");
        }
        for path in ["/v2/health", "/v2/pools", "/v2/pools/p", "/v2/flavors/f"] {
            assert_eq!(resolve("GET", path, false).route, Route::UnknownPath, "{path}");
        }
        let wrong = resolve("POST", "/v2/queues", false);
        assert_eq!((wrong.route, wrong.allow), (Route::WrongMethod(&["GET", "OPTIONS"]), "GET, OPTIONS"));
        assert_eq!(resolve("POST", "/", false).action, Action::Versions);
    }
}
