//! What actions do on stores and with filters; what they refuse is tested beside them.

mod opener;
mod pools;
mod records;
mod service;
mod stores;
mod subscriptions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sukkal_plugin_sdk::load::{CallObserver, CallOutcome};
use sukkal_plugin_sdk::{Action, Applied, ErrorKind};
use tokio::sync::Notify;

use self::service::Service;
use self::stores::Next;

const NO_ID: &str = "not-an-id";

#[tokio::test]
async fn nothing_but_a_post_makes_the_queue() {
    let service = Service::start();
    let outcome = async |action, name: &str, value: &str| service.ask(action).param(name, value).send().await;
    assert_eq!(outcome(Action::ClaimCreate, "", "").await, "Claimed(None)");
    assert_eq!(outcome(Action::MessageList, "", "").await, "");
    assert_eq!(outcome(Action::MessageDeleteMany, "pop", "1").await, "");
    assert_eq!(outcome(Action::MessageDeleteMany, "ids", "a,b").await, "Deleted");
    assert_eq!(
        outcome(Action::MessageGetMany, "ids", "a,b").await,
        "NotFound No messages with IDs: ['a', 'b'] found in the queue q for project p."
    );
    assert_eq!(outcome(Action::QueueStats, "", "").await, "Stats(None)");
    assert_eq!(outcome(Action::QueuePurge, "", "").await, "Purged");
    assert_eq!(service.ask(Action::MessageDelete).item(NO_ID).send().await, "Deleted");
    assert_eq!(service.ask(Action::ClaimDelete).item(NO_ID).send().await, "ClaimReleased");
    assert_eq!(
        service.ask(Action::ClaimGet).item(NO_ID).send().await,
        "NotFound Claim not-an-id does not exist in queue q for project p"
    );
    assert_eq!(
        service.ask(Action::MessageGet).item(NO_ID).send().await,
        "NotFound Queue q does not exist for project p"
    );
    assert_eq!(service.ask(Action::QueueExists).send().await, "QueueExists(false)");
    service.post(&["1"]).await;
    assert_eq!(service.ask(Action::QueueExists).send().await, "QueueExists(true)");
}

#[tokio::test]
async fn a_failed_trial_is_known_to_the_log_by_a_uuid() {
    let service = Service::start();
    service.headers.expect([Next::Refused]);
    let health = service.ask(Action::Health).send().await;
    let reference = health.split("String(\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let parts: Vec<&str> = reference.split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{health}");
    assert!(parts.concat().bytes().all(|byte| byte.is_ascii_hexdigit()) && parts[2].starts_with('4'), "{health}");
}

#[tokio::test]
async fn what_a_trial_could_not_remove_is_removed_later() {
    let service = Service::start();
    service.headers.fail_drops();
    let left = || (service.headers.queues(), service.records.names("moved").len());
    for trials in 1..=2 {
        service.ask(Action::Health).send().await;
        assert_eq!(left(), (trials, trials));
    }
    service.headers.mend_drops();
    service.ask(Action::Health).send().await;
    assert_eq!(left(), (2, 2), "one that ends well leaves nothing");
    service.advance(61);
    let mut rounds = 0;
    while left() != (0, 0) {
        rounds += 1;
        assert!(rounds < 1000, "{:?}", left());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_refused_post_makes_no_queue() {
    let service = Service::filtered();
    let post = || service.ask(Action::MessagePost);
    post().body("{\"messages\":[{\"body\":1},{}]}").send().await;
    let broken = post().header("break", "").body("{\"messages\":[{\"body\":1}]}").send().await;
    assert!(broken.starts_with("Unavailable"), "{broken}");
    assert_eq!(service.ask(Action::QueueExists).send().await, "QueueExists(false)");
}

#[tokio::test]
async fn a_queue_that_wants_encryption_takes_nothing_in_plain() {
    let service = Service::start();
    service.ask(Action::QueueCreate).body("{\"_enable_encrypt_messages\":true}").send().await;
    let outcome = service.post(&["1"]).await.join(" ");
    assert!(outcome.starts_with("Unavailable Messages of this queue are to be encrypted"), "{outcome}");
}

#[tokio::test]
async fn a_pop_that_fails_on_its_way_out_loses_nothing() {
    let service = Service::filtered();
    service.post(&["1", "2", "3"]).await;
    let pop = || service.ask(Action::MessageDeleteMany).param("pop", "2");
    let broken = pop().header("break", "").send().await;
    assert!(broken.starts_with("Unavailable"), "{broken}");
    assert_eq!(pop().send().await, "1 2");
    assert_eq!(pop().send().await, "3");
    assert_eq!(service.bodies().await, "");
}

#[tokio::test]
async fn a_claim_that_fails_on_its_way_out_does_not_count() {
    let service = Service::filtered();
    service.post(&["1"]).await;
    let broken = service.ask(Action::ClaimCreate).header("break", "").send().await;
    assert!(broken.starts_with("Unavailable"), "{broken}");
    let claimed = service.ask(Action::ClaimCreate).send().await;
    assert!(claimed.ends_with(" count 1 1"), "{claimed}");
}

#[tokio::test]
async fn a_claim_that_fails_on_its_way_out_is_given_back_though_its_pool_does_not_answer_at_first() {
    let service = Service::filtered();
    service.post(&["1"]).await;
    service.headers.fail_release();
    let broken = service.ask(Action::ClaimCreate).header("break", "").send().await;
    assert!(broken.starts_with("Unavailable"), "{broken}");
    eventually("it is tried again", || service.headers.releases() > 0).await;
    let claimed = service.ask(Action::ClaimCreate).send().await;
    assert!(claimed.ends_with(" count 1 1"), "{claimed}");
}

#[tokio::test]
async fn what_may_have_been_done_is_told_as_such_though_the_queue_was_another_one_to_the_end() {
    let service = Service::start();
    service.post(&["1"]).await;
    let queue = service.ask(Action::MessagePost).found().await;
    let outcome = service.always_stale(queue).await;
    assert_eq!(outcome.map_err(|error| (error.kind, error.applied)), Err((ErrorKind::Unavailable, Applied::Unknown)));
}

#[tokio::test]
async fn a_claim_that_takes_too_long_does_not_count_and_holds_nothing() {
    let service = Service::hasty();
    service.post(&["1"]).await;
    service.headers.hang_claims(true);
    let late = service.ask(Action::ClaimCreate).send().await;
    assert!(late.starts_with("TimedOut"), "{late}");
    service.headers.hang_claims(false);
    let mut claimed = service.ask(Action::ClaimCreate).send().await;
    for _ in 0..1_000 {
        if claimed != "Claimed(None)" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        claimed = service.ask(Action::ClaimCreate).send().await;
    }
    assert!(claimed.ends_with(" count 1 1"), "{claimed}");
}

#[tokio::test]
async fn a_claim_is_its_clients_also_where_one_before_it_is_given_back() {
    let service = Service::start();
    service.ask(Action::QueueCreate).send().await;
    let waits = service.ask(Action::ClaimCreate).param("wait", "20").send();
    let posts = async {
        eventually("somebody has looked, and waits", || service.headers.claims() >= 2).await;
        service.headers.lose_claim();
        service.post(&["1"]).await
    };
    let (claimed, _) = tokio::join!(waits, posts);
    assert!(claimed.ends_with(" count 1 1") && service.headers.claims() >= 4, "{claimed}");
    // The one before it may still have been on its way the first time.
    eventually("that is given back twice", || service.headers.releases() >= 2).await;
    let claim = claimed.split(' ').next().unwrap_or_default();
    assert_eq!(service.ask(Action::ClaimGet).item(claim).send().await, "1");
}

#[tokio::test]
async fn a_claimed_message_is_deleted_with_its_claim_alone() {
    let service = Service::start();
    let id = service.post(&["1"]).await.remove(0);
    let claimed = service.ask(Action::ClaimCreate).send().await;
    let claim = claimed.split(' ').next().unwrap_or_default();
    let delete = |claim: &str| service.ask(Action::MessageDelete).item(&id).param("claim_id", claim);
    assert!(delete("").send().await.starts_with("NotDeleted(Claimed) This message is claimed;"));
    assert!(delete(NO_ID).send().await.starts_with("NotDeleted(ClaimGone) The specified claim does not exist"));
    assert_eq!(service.ask(Action::ClaimGet).item(claim).send().await, "1");
    assert_eq!(delete(claim).send().await, "Deleted");
    assert_eq!(delete(NO_ID).send().await, "Deleted", "what is not there is no error, whatever the claim");
}

#[tokio::test]
async fn ids_and_markers_are_of_one_incarnation() {
    let service = Service::start();
    let old = service.post(&["1", "2"]).await;
    assert_eq!(service.ask(Action::QueueDelete).send().await, "QueueDeleted");
    let new = service.post(&["3", "4"]).await;
    let list = |marker: &str| service.ask(Action::MessageList).param("echo", "true").param("marker", marker);
    assert_eq!(list(&new[0]).send().await, "4");
    assert_eq!(list(&old[1]).send().await, "3 4", "all came after the queue that had the name before");
    assert_eq!(list(NO_ID).send().await, "");
    assert!(service.ask(Action::MessageGet).item(&old[0]).send().await.starts_with("NotFound Message"));
    service.ask(Action::MessageDelete).item(&old[0]).send().await;
    service.ask(Action::MessageDeleteMany).param("ids", &old.join(",")).send().await;
    assert_eq!(service.bodies().await, "3 4");
}

#[tokio::test]
async fn a_host_that_knows_a_deleted_queue_is_not_deceived() {
    let [one, other] = Service::pair();
    let old = one.post(&["1", "2"]).await;
    assert_eq!(other.bodies().await, "1 2");
    one.ask(Action::QueueDelete).send().await;
    assert_eq!(other.ask(Action::ClaimCreate).send().await, "Claimed(None)");
    other.post(&["3"]).await;
    one.ask(Action::MessageDeleteMany).param("ids", &old.join(",")).send().await;
    assert_eq!(one.bodies().await, "3");
    other.ask(Action::QueueDelete).send().await;
    one.post(&["4"]).await;
    assert_eq!(other.bodies().await, "4", "the post made the queue anew");
}

#[tokio::test]
async fn a_header_that_comes_after_its_queue_was_deleted_takes_no_message() {
    let [one, other] = Service::pair();
    let on_its_way = Arc::new(Notify::new());
    one.headers.expect([Next::Held(on_its_way.clone())]);
    let deleted = async {
        eventually("the queue is made", || one.headers.have_come()).await;
        assert_eq!(one.ask(Action::QueueDelete).send().await, "QueueDeleted");
        eventually("nothing is left of it", || one.records.names("dropping").is_empty()).await;
        on_its_way.notify_one();
    };
    let (ids, ()) = tokio::join!(other.post(&["1"]), deleted);
    assert_eq!((ids.len(), one.bodies().await.as_str()), (1, "1"), "what was acknowledged is there");
}

#[tokio::test]
async fn a_repeated_deletion_leaves_nothing_where_all_was_removed_before_its_pool_heard_of_it() {
    let [one, other] = Service::pair();
    one.post(&["1"]).await;
    // The pool is told by the deletion, by whoever removes what is left, and by the repeated deletion.
    let (removal, repeated) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    one.headers.expect([Next::Taken, Next::Held(removal.clone())]);
    assert_eq!(one.ask(Action::QueueDelete).send().await, "QueueDeleted");
    eventually("what is left is to be removed", || one.headers.have_come()).await;
    one.headers.expect([Next::Held(repeated.clone())]);
    let removed = async {
        eventually("the pool is told again", || one.headers.have_come()).await;
        removal.notify_one();
        eventually("nothing is left of it", || one.records.names("dropping").is_empty()).await;
        repeated.notify_one();
    };
    tokio::join!(other.ask(Action::QueueDelete).send(), removed);
    assert_eq!(one.headers.queues(), 0);
}

#[tokio::test]
async fn a_repeated_deletion_leaves_nothing_where_all_was_removed_and_is_not_forgotten_yet() {
    let [one, other] = Service::pair();
    one.post(&["1"]).await;
    let told = Arc::new(Notify::new());
    one.headers.hold_drop(told.clone());
    assert_eq!(one.ask(Action::QueueDelete).send().await, "QueueDeleted");
    eventually("what is left is removed", || one.headers.queues() == 0).await;
    assert_eq!(other.ask(Action::QueueDelete).send().await, "QueueDeleted");
    told.notify_one();
    eventually("the queue is forgotten", || one.records.names("dropping").is_empty()).await;
    assert_eq!(one.headers.queues(), 0);
}

#[tokio::test]
async fn who_finds_a_dead_letter_queue_tells_those_that_were_not_told_of_it() {
    let [one, other] = Service::pair();
    let source = "{\"_dead_letter_queue\":\"dead\",\"_max_claim_count\":1}";
    assert_eq!(one.ask(Action::QueueCreate).body(source).send().await, "QueueCreated(true)");
    let [first] = one.headers.dead_letter_queues()[..] else { panic!("one queue has a rule") };
    assert_eq!(one.ask(Action::QueueDelete).queue("dead").send().await, "QueueDeleted");
    eventually("nothing is left of it", || one.records.names("dropping").is_empty()).await;
    one.headers.expect([Next::Taken, Next::Refused]);
    assert_eq!(one.ask(Action::QueueCreate).queue("dead").send().await, "QueueCreated(true)");
    assert_eq!(one.headers.dead_letter_queues(), [first], "the source's pool could not be told");
    assert_eq!(other.ask(Action::MessageList).queue("dead").send().await, "");
    let [second] = one.headers.dead_letter_queues()[..] else { panic!("one queue has a rule") };
    assert!(second != first && second.0 != 0, "{second:?} is the new one");
}

#[tokio::test]
async fn a_catalog_that_does_not_answer_a_call_of_the_services_own_holds_it_up_for_a_while_alone() {
    for call in ["pool", "sweep", "dropping", "moved"] {
        let service = Service::start();
        service.records.hang(call);
        eventually("the call has come", || service.records.has_hung()).await;
        service.ask(Action::QueueCreate).send().await;
        assert_eq!(service.ask(Action::QueueDelete).send().await, "QueueDeleted");
        eventually(&format!("the service goes on after {call}"), || service.records.names("dropping").is_empty()).await;
    }
}

#[tokio::test]
async fn a_claim_is_given_back_though_its_pool_does_not_answer_at_first() {
    let service = Service::hasty();
    service.post(&["1"]).await;
    service.headers.hang_claims(true);
    service.headers.hang_release();
    let late = service.ask(Action::ClaimCreate).send().await;
    assert!(late.starts_with("TimedOut"), "{late}");
    service.headers.hang_claims(false);
    eventually("it is tried again", || service.headers.releases() > 0).await;
    let claimed = service.ask(Action::ClaimCreate).send().await;
    assert!(claimed.ends_with(" count 1 1"), "{claimed}");
}

/// A fault of the host's own: it panics once it hears of this many more claims.
struct PanicsAtClaim(AtomicU32);

impl CallObserver for PanicsAtClaim {
    fn ended(&self, method: &'static str, _took: Duration, _outcome: CallOutcome) {
        let left = (method == "claim").then(|| self.0.fetch_sub(1, Ordering::Relaxed));
        assert_ne!(left, Some(1), "on purpose");
    }
}

#[tokio::test]
async fn a_claim_whose_request_panics_before_it_is_known_is_given_back() {
    let service = Service::observed(Arc::new(PanicsAtClaim(AtomicU32::new(1))));
    service.post(&["1"]).await;
    assert_eq!(service.ask(Action::ClaimCreate).send().await, "Internal Unexpected error.");
    let mut claimed = String::new();
    for _ in 0..1_000 {
        claimed = service.ask(Action::ClaimCreate).send().await;
        if claimed != "Claimed(None)" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(claimed.ends_with(" count 1 1"), "{claimed}");
}

/// Lets others go on until something holds.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("in vain: {what}");
}

#[tokio::test]
async fn a_purge_goes_on_until_the_queue_is_empty() {
    let service = Service::start();
    service.post(&["1", "2", "3"]).await;
    let subscriptions = service.ask(Action::QueuePurge).body("{\"resource_types\":[\"subscriptions\"]}").send().await;
    assert_eq!((subscriptions.as_str(), service.bodies().await.as_str()), ("Purged", "1 2 3"));
    service.ask(Action::QueuePurge).send().await;
    assert_eq!(service.bodies().await, "");
}

#[tokio::test]
async fn small_patches_do_not_grow_metadata_beyond_their_bound() {
    let service = Service::start();
    service.ask(Action::QueueCreate).send().await;
    let patch = async |key: &str| {
        let value = "x".repeat(40_000);
        let body = format!("[{{\"op\":\"add\",\"path\":\"/metadata/{key}\",\"value\":\"{value}\"}}]");
        let ask = service.ask(Action::QueueUpdate).body(&body);
        ask.header("content-type", "application/openstack-messaging-v2.0-json-patch; charset=utf-8").send().await
    };
    assert!(patch("a").await.starts_with("Metadata("));
    assert_eq!(patch("b").await, "BadBody Queue metadata is too large. Max size: 65536");
}

#[tokio::test]
async fn a_filtered_page_is_full_wherever_its_queues_stand() {
    let service = Service::start();
    for index in 0..250 {
        let wanted = i32::from(index % 100 == 99 || index == 5);
        let create = service.ask(Action::QueueCreate).queue(&format!("q{index:03}"));
        create.body(&format!("{{\"wanted\":{wanted}}}")).send().await;
    }
    let list = |limit: &str| service.ask(Action::QueueList).param("wanted", "1").param("limit", limit);
    assert_eq!(list("2").send().await, "q005 q099");
    assert_eq!(list("10").send().await, "q005 q099 q199");
    assert_eq!(list("10").param("marker", "q099").send().await, "q199");
}
