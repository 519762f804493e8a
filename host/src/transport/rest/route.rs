//! The one table of paths and methods (spec: REST §1.4, §1.12, §2–§5).

use sukkal_core::Route;
use sukkal_plugin_sdk::{Action, Target};

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
    /// Served to administrators only.
    admin: bool,
}

/// Makes three lists of one, which could not drift apart.
macro_rules! resource {
    ($name:ident $admin:literal $($method:literal $action:ident),*) => {
        static $name: Resource = Resource {
            actions: &[$(($method, Action::$action)),*],
            methods: &[$($method,)* "OPTIONS"],
            allow: concat!($($method, ", ",)* "OPTIONS"),
            admin: $admin,
        };
    };
}

resource!(VERSIONS false "GET" Versions, "HEAD" Versions);
resource!(HOME false "GET" Home);
resource!(PING false "GET" Ping, "HEAD" Ping);
resource!(HEALTH true "GET" Health);
resource!(QUEUES false "GET" QueueList);
resource!(QUEUE false "GET" QueueGet, "PUT" QueueCreate, "PATCH" QueueUpdate, "DELETE" QueueDelete, "HEAD" QueueExists);
resource!(STATS false "GET" QueueStats);
resource!(PURGE false "POST" QueuePurge);
resource!(SHARE false "POST" QueueShare);
resource!(MESSAGES false "GET" MessageList, "POST" MessagePost, "DELETE" MessageDeleteMany);
resource!(MESSAGE false "GET" MessageGet, "DELETE" MessageDelete);
resource!(CLAIMS false "POST" ClaimCreate);
resource!(CLAIM false "GET" ClaimGet, "PATCH" ClaimUpdate, "DELETE" ClaimDelete);

/// Finds what a method and a path, as they were sent, ask for.
pub fn resolve(method: &str, path: &str, admin_mode: bool) -> Resolved {
    let Some((resource, target)) = find(path).filter(|(resource, _)| !resource.admin || admin_mode) else {
        return Resolved { action: NONE, target: Target::default(), route: Route::UnknownPath, allow: "" };
    };
    let action = resource.actions.iter().find(|(name, _)| *name == method).map(|(_, action)| *action);
    let (action, route) = match action {
        Some(action) => (action, Route::Known),
        // The root asks for no headers, whatever the method (spec: REST §1.8).
        None if std::ptr::eq(resource, &VERSIONS) => (Action::Versions, Route::WrongMethod(resource.methods)),
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
        "/v2/ping" => return Some((&PING, nothing)),
        "/v2/health" => return Some((&HEALTH, nothing)),
        "/v2/queues" => return Some((&QUEUES, nothing)),
        _ => path.strip_prefix("/v2/queues/")?,
    };
    let (queue, below) = rest.split_once('/').unwrap_or((rest, ""));
    if queue.len() == rest.len() {
        return Some((&QUEUE, target(queue, "")));
    }
    match below {
        "stats" => Some((&STATS, target(queue, ""))),
        "purge" => Some((&PURGE, target(queue, ""))),
        "share" => Some((&SHARE, target(queue, ""))),
        "messages" => Some((&MESSAGES, target(queue, ""))),
        "claims" => Some((&CLAIMS, target(queue, ""))),
        _ => {
            let (collection, item) = below.split_once('/')?;
            let resource = match collection {
                "messages" => &MESSAGE,
                "claims" => &CLAIM,
                _ => return None,
            };
            (!item.is_empty() && !item.contains('/')).then(|| (resource, target(queue, item)))
        }
    }
}

fn target(queue: &str, item: &str) -> Target {
    let decoded = |text| super::decode::percent(text, false).into_owned();
    Target { queue: decoded(queue), topic: false, item: decoded(item) }
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
        assert_eq!(found("HEAD", "/v2/ping"), at(Action::Ping, "", ""));
        assert_eq!(found("PUT", "/v2/queues/a%2eb"), at(Action::QueueCreate, "a.b", ""));
        assert_eq!(found("GET", "/v2/queues/"), at(Action::QueueGet, "", ""));
        assert_eq!(found("POST", "/v2/queues/q/messages"), at(Action::MessagePost, "q", ""));
        assert_eq!(found("DELETE", "/v2/queues/q/messages/m"), at(Action::MessageDelete, "q", "m"));
        assert_eq!(found("PATCH", "/v2/queues/q/claims/c"), at(Action::ClaimUpdate, "q", "c"));
    }

    #[test]
    fn unknown_paths_are_told_from_wrong_methods() {
        for path in
            ["/v3", "/v2/nosuch", "/v2/queues/q/", "/v2/queues/q/messages/", "/v2/queues/q/messages/m/x", "//", ""]
        {
            assert_eq!(resolve("GET", path, true).route, Route::UnknownPath, "{path}");
        }
        assert_eq!(resolve("GET", "/v2/health", false).route, Route::UnknownPath);
        let wrong = resolve("POST", "/v2/queues", false);
        assert_eq!((wrong.route, wrong.allow), (Route::WrongMethod(&["GET", "OPTIONS"]), "GET, OPTIONS"));
        assert_eq!(resolve("POST", "/", false).action, Action::Versions);
    }
}
