//! Which requests of a connection may be worked on together: those whose order nobody could tell.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use sukkal_plugin_sdk::{Action, Request};

/// What a request may see or change, as far as that decides its place among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    place: Place,
    does: Does,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing that others change.
    Nowhere,
    /// One queue, by the hash of its name. Two that share a hash only wait for each other.
    Queue(u64),
    /// Any queue.
    Everywhere,
    /// Who the client is.
    Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Read,
    /// Stores messages. Those of one connection keep their order among themselves.
    Post,
    /// Deletes the message of this hash.
    Delete(u64),
    Change,
    /// Waits for something to come. What comes after it must not wait for that: it may be what is
    /// waited for.
    Wait,
}

impl Footprint {
    /// Of a request.
    pub fn of(request: &Request) -> Footprint {
        let queue = Place::Queue(hash(request.queue()));
        let (place, does) = match request.action() {
            Action::ClaimCreate | Action::MessageList if waits(request) => (queue, Does::Wait),
            // Another queue may be made or moved along.
            Action::QueueCreate | Action::QueueUpdate if names_others(request) => (Place::Everywhere, Does::Change),
            Action::QueueGet
            | Action::QueueStats
            | Action::MessageList
            | Action::MessageGet
            | Action::MessageGetMany
            | Action::ClaimGet
            | Action::SubscriptionList
            | Action::SubscriptionGet => (queue, Does::Read),
            _ if is_plain_post(request) => (queue, Does::Post),
            Action::MessageDelete => (queue, Does::Delete(hash(request.item()))),
            Action::Unknown | Action::Home | Action::Ping | Action::Health => (Place::Nowhere, Does::Read),
            Action::Authenticate => (Place::Client, Does::Change),
            _ if request.queue().is_empty() => (Place::Everywhere, Does::Change),
            _ => (queue, Does::Change),
        };
        Footprint { place, does }
    }

    /// Whether this one, which came first, must have ended before another begins.
    pub fn precedes(self, later: Footprint) -> bool {
        let meet = match (self.place, later.place) {
            (Place::Client, Place::Client) => true,
            (Place::Nowhere | Place::Client, _) | (_, Place::Nowhere | Place::Client) => false,
            (Place::Queue(one), Place::Queue(other)) => one == other,
            (Place::Everywhere, _) | (_, Place::Everywhere) => true,
        };
        meet && match (self.does, later.does) {
            (Does::Wait, _) | (Does::Read, Does::Read) | (Does::Post, Does::Post) => false,
            (Does::Delete(one), Does::Delete(other)) => one == other,
            _ => true,
        }
    }
}

/// Whether metadata may name another queue, or have one moved.
fn names_others(request: &Request) -> bool {
    let body = request.body();
    ["_dead_letter_queue\"", "_flavor\""]
        .iter()
        .any(|name| body.windows(name.len()).any(|part| part == name.as_bytes()))
}

/// Whether a request asks to wait.
fn waits(request: &Request) -> bool {
    request.params().get("wait").is_some_and(|wait| wait.parse::<u64>() != Ok(0))
}

/// Whether a request is a post that may be stored together with others before and behind it. One that
/// is safe to repeat is stored on its own, under its key.
pub fn is_plain_post(request: &Request) -> bool {
    request.action() == Action::MessagePost && request.headers().get("idempotency-key").is_none()
}

/// Keyed anew in each process, so that no client can choose names that meet.
fn hash(name: &str) -> u64 {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    KEYS.get_or_init(RandomState::new).hash_one(name)
}

#[cfg(test)]
mod tests {
    use sukkal_plugin_sdk::{RequestId, Target, Transport};

    use super::*;

    fn of(action: Action, queue: &str, item: &str) -> Footprint {
        let mut request = Request::new(RequestId(1), action, Transport::Websocket);
        request.set_target(Target { queue: queue.to_owned(), topic: false, item: item.to_owned() });
        Footprint::of(&request)
    }

    #[test]
    fn what_changes_a_queue_keeps_its_place_there() {
        let post = of(Action::MessagePost, "q", "");
        for later in [Action::MessageList, Action::ClaimCreate, Action::QueueList] {
            assert!(post.precedes(of(later, if later == Action::QueueList { "" } else { "q" }, "")), "{later}");
        }
        assert!(of(Action::MessageList, "q", "").precedes(post));
        assert!(of(Action::QueueList, "", "").precedes(post));
    }

    #[test]
    fn posts_go_together_but_those_that_are_safe_to_repeat() {
        let post = of(Action::MessagePost, "q", "");
        assert!(!post.precedes(post));
        let mut request = Request::new(RequestId(1), Action::MessagePost, Transport::Websocket);
        request.set_target(Target { queue: "q".to_owned(), ..Target::default() });
        request.headers_mut().add("idempotency-key", "k");
        let repeatable = Footprint::of(&request);
        assert!(post.precedes(repeatable) && repeatable.precedes(post) && repeatable.precedes(repeatable));
    }

    #[test]
    fn other_queues_reads_and_deletions_of_other_messages_go_together() {
        let post = of(Action::MessagePost, "q", "");
        assert!(!post.precedes(of(Action::MessagePost, "r", "")));
        assert!(!post.precedes(of(Action::Ping, "", "")));
        let authenticate = of(Action::Authenticate, "", "");
        assert!(!post.precedes(authenticate) && !authenticate.precedes(post));
        assert!(!of(Action::MessageList, "q", "").precedes(of(Action::QueueStats, "q", "")));
        let delete = |item| of(Action::MessageDelete, "q", item);
        assert!(!delete("a").precedes(delete("b")));
        assert!(delete("a").precedes(delete("a")));
        assert!(delete("a").precedes(of(Action::ClaimDelete, "q", "c")));
    }

    #[test]
    fn of_several_proofs_of_who_a_client_is_the_last_one_counts() {
        let authenticate = of(Action::Authenticate, "", "");
        assert!(authenticate.precedes(authenticate));
    }

    #[test]
    fn nobody_waits_for_one_that_waits() {
        let mut request = Request::new(RequestId(1), Action::ClaimCreate, Transport::Websocket);
        request.set_target(Target { queue: "q".to_owned(), ..Target::default() });
        request.params_mut().add("wait", "20");
        let (post, wait) = (of(Action::MessagePost, "q", ""), Footprint::of(&request));
        assert!(post.precedes(wait) && !wait.precedes(post));
        let mut request = Request::new(RequestId(1), Action::ClaimCreate, Transport::Websocket);
        request.set_target(Target { queue: "q".to_owned(), ..Target::default() });
        request.params_mut().add("wait", "0");
        assert!(Footprint::of(&request).precedes(post), "no wait is no reason to lose one's place");
    }

    #[test]
    fn a_queue_is_made_with_the_one_that_takes_its_dead_letters() {
        let mut create = Request::new(RequestId(1), Action::QueueCreate, Transport::Websocket);
        create.set_target(Target { queue: "q".to_owned(), ..Target::default() });
        let stats = of(Action::QueueStats, "dead", "");
        assert!(!Footprint::of(&create).precedes(stats));
        create.set_body(r#"{"_max_claim_count":1,"_dead_letter_queue":"dead"}"#.to_owned());
        assert!(Footprint::of(&create).precedes(stats));
    }
}
