//! The life of a claim.

use std::time::Duration;

use sukkal_plugin_sdk::{Claim, ClaimId, Guard, Place, Pool as _, Release, Renewal};

use super::{QUEUE, Rig, bodies, call, queue, secs};

fn get(rig: &Rig, claim: u128) -> Option<Claim> {
    rig.run(rig.pool().claim_get(&call(), &queue(QUEUE, 1), ClaimId(claim))).unwrap()
}

fn renew(rig: &Rig, claim: u128, ttl: u64, places: Option<Vec<Place>>) -> bool {
    let renewal = Renewal { ttl: secs(ttl), grace: secs(30), places, extensions: Default::default() };
    rig.run(rig.pool().claim_renew(&call(), &queue(QUEUE, 1), ClaimId(claim), renewal)).unwrap()
}

#[test]
fn a_claim_hides_its_messages_until_it_ends() {
    let rig = Rig::new();
    rig.post(&["a", "b", "c"]);
    assert_eq!(rig.claim(1, 2, 60), ["a", "b"]);
    assert_eq!(rig.listed(), ["c"]);
    assert_eq!(rig.claim(2, 5, 60), ["c"]);
    let empty = rig.claim_in(QUEUE, 3, 5, 60);
    assert!(empty.batch.messages.is_empty());
    let wait = empty.next_due.unwrap().since(rig.now());
    assert!(wait > secs(58) && wait <= secs(60), "{wait:?}");
    assert!(get(&rig, 3).is_none());
    rig.clock.advance(secs(61));
    assert_eq!(rig.listed(), ["a", "b", "c"]);
    assert!(get(&rig, 1).is_none());
    assert!(!renew(&rig, 1, 60, None));
    let again = rig.claim_in(QUEUE, 4, 5, 60);
    assert_eq!(bodies(&again.batch), ["a", "b", "c"]);
    assert_eq!(again.batch.messages[0].claims, 2);
}

#[test]
fn a_claim_repeated_with_its_id_is_the_same_claim() {
    let rig = Rig::new();
    let places = rig.post(&["a", "b", "c"]);
    rig.claim(1, 2, 60);
    assert_eq!(rig.claim(1, 2, 60), ["a", "b"]);
    rig.delete(&places[..1], Guard::Claim(ClaimId(1)));
    assert_eq!(rig.claim(1, 2, 60), ["b"]);
    assert_eq!(rig.stats(QUEUE).claimed, 1);
}

#[test]
fn a_claim_lives_on_when_its_messages_are_deleted() {
    let rig = Rig::new();
    let places = rig.post(&["a"]);
    rig.claim(1, 2, 60);
    rig.delete(&places, Guard::Claim(ClaimId(1)));
    let claim = get(&rig, 1).unwrap();
    assert!(claim.messages.is_empty());
    assert_eq!(claim.ttl, secs(60));
    rig.release(1, Release::default());
    assert!(get(&rig, 1).is_none());
    rig.release(1, Release::default());
}

#[test]
fn released_messages_return_to_their_old_place() {
    let rig = Rig::new();
    rig.post(&["a", "b", "c"]);
    rig.claim(1, 2, 60);
    rig.release(1, Release::default());
    let again = rig.claim_in(QUEUE, 2, 3, 60);
    assert_eq!(bodies(&again.batch), ["a", "b", "c"]);
    assert_eq!(again.batch.messages.iter().map(|message| message.claims).collect::<Vec<_>>(), [2, 2, 1]);
}

#[test]
fn an_uncounted_release_takes_the_count_back() {
    let rig = Rig::new();
    rig.post(&["a"]);
    rig.claim(1, 1, 60);
    rig.release(1, Release { uncounted: true, ..Release::default() });
    assert_eq!(rig.claim_in(QUEUE, 2, 1, 60).batch.messages[0].claims, 1);
}

#[test]
fn single_messages_are_released_with_a_delay() {
    let rig = Rig::new();
    let places = rig.post(&["a", "b"]);
    rig.claim(1, 2, 60);
    rig.release(1, Release { places: Some(vec![places[0]]), delay: secs(10), ..Release::default() });
    assert!(rig.listed().is_empty());
    assert_eq!(bodies_of(&get(&rig, 1).unwrap()), ["b"]);
    rig.clock.advance(secs(11));
    assert_eq!(rig.listed(), ["a"]);
    assert_eq!(rig.claim(2, 5, 60), ["a"]);
}

#[test]
fn renewing_starts_the_age_anew_and_keeps_messages_alive() {
    let rig = Rig::new();
    rig.post_message(sukkal_plugin_sdk::NewMessage { ttl: secs(100), ..super::message("a") });
    rig.claim(1, 1, 60);
    rig.clock.advance(secs(50));
    assert!(renew(&rig, 1, 90, None));
    let claim = get(&rig, 1).unwrap();
    assert_eq!(claim.ttl, secs(90));
    assert!(claim.now.since(claim.renewed) < Duration::from_secs(5));
    let message = &claim.messages[0];
    assert_eq!(message.ttl, secs(120));
    assert_eq!(message.expires, message.claimed_until.after(secs(30)));
    rig.clock.advance(secs(89));
    assert_eq!(get(&rig, 1).unwrap().messages.len(), 1);
    rig.clock.advance(secs(2));
    assert_eq!(rig.listed(), ["a"]);
}

#[test]
fn a_single_message_is_renewed_beyond_its_claim() {
    let rig = Rig::new();
    let places = rig.post(&["a", "b"]);
    rig.claim(1, 2, 60);
    assert!(renew(&rig, 1, 600, Some(vec![places[1], Place(77)])));
    rig.clock.advance(secs(61));
    assert_eq!(rig.listed(), ["a"]);
    assert_eq!(bodies_of(&get(&rig, 1).unwrap()), ["b"]);
}

#[test]
fn a_message_that_outlives_its_claim_is_untouched() {
    let rig = Rig::new();
    rig.post(&["a"]);
    let message = &rig.claim_in(QUEUE, 1, 1, 60).batch.messages[0];
    assert_eq!(message.ttl, secs(3600));
    assert_eq!(message.expires, message.posted.after(secs(3600)));
}

#[test]
fn a_message_that_ends_within_the_same_second_lives_as_long_as_its_claim() {
    let rig = Rig::new();
    rig.post_message(sukkal_plugin_sdk::NewMessage { ttl: secs(60), ..super::message("a") });
    rig.clock.advance(Duration::from_millis(500));
    let message = &rig.claim_in(QUEUE, 1, 1, 60).batch.messages[0];
    assert_eq!(message.ttl.as_secs(), 60);
    assert_eq!(message.expires, message.claimed_until);
}

fn bodies_of(claim: &Claim) -> Vec<String> {
    claim.messages.iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
}
