//! What can happen to a queue, to the store and to the model alike.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sukkal_plugin_sdk::{ClaimId, Guard, Release, Renewal};

use crate::model::{Known, Model, places};
use crate::queue::{GRACE, Pool};

/// One event of a history. Times are seconds; claims are named by few numbers, so that they meet
/// again.
#[derive(Clone, Debug)]
pub enum Event {
    Post { count: usize, ttl: u64, delay: u64 },
    Claim { claim: u8, limit: u32, ttl: u64 },
    Renew { claim: u8, ttl: u64 },
    Release { claim: u8, delay: u64 },
    Delete { index: usize },
    DeleteClaimed { claim: u8 },
    Pop { limit: u32 },
    Pass { seconds: u64 },
    Sweep,
    Restart,
}

/// Any event.
pub fn event(restarts: bool) -> impl Strategy<Value = Event> {
    let delay = || prop_oneof![3 => Just(0_u64), 1 => 1..50_u64];
    prop_oneof![
        4 => (1..40_usize, 1..200_u64, delay()).prop_map(|(count, ttl, delay)| Event::Post { count, ttl, delay }),
        4 => (0..6_u8, 1..30_u32, 1..100_u64).prop_map(|(claim, limit, ttl)| Event::Claim { claim, limit, ttl }),
        1 => (0..6_u8, 1..100_u64).prop_map(|(claim, ttl)| Event::Renew { claim, ttl }),
        2 => (0..6_u8, delay()).prop_map(|(claim, delay)| Event::Release { claim, delay }),
        2 => (0..100_usize).prop_map(|index| Event::Delete { index }),
        2 => (0..6_u8).prop_map(|claim| Event::DeleteClaimed { claim }),
        1 => (1..10_u32).prop_map(|limit| Event::Pop { limit }),
        3 => (1..80_u64).prop_map(|seconds| Event::Pass { seconds }),
        1 => Just(Event::Sweep),
        1 => Just(if restarts { Event::Restart } else { Event::Sweep }),
    ]
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Event {
    /// Lets it happen to the store and to the model; the store's answers must be the model's.
    pub fn happen(self, pool: &mut Pool, model: &mut Model) -> Result<(), TestCaseError> {
        // Off the second, so that no instant of a history falls on another by a hair.
        pool.clock.advance(Duration::from_millis(37));
        model.pass(pool.now());
        match self {
            Event::Post { count, ttl, delay } => post(pool, model, count, secs(ttl), secs(delay)),
            Event::Claim { claim, limit, ttl } => take(pool, model, id(pool, claim), limit, secs(ttl)),
            Event::Renew { claim, ttl } => renew(pool, model, id(pool, claim), secs(ttl)),
            Event::Release { claim, delay } => release(pool, model, id(pool, claim), secs(delay)),
            Event::Delete { index } => delete(pool, model, index),
            Event::DeleteClaimed { claim } => delete_claimed(pool, model, id(pool, claim)),
            Event::Pop { limit } => pop(pool, model, limit),
            Event::Pass { seconds } => {
                pool.clock.advance(secs(seconds));
                Ok(())
            }
            Event::Sweep => {
                pool.sweep();
                Ok(())
            }
            Event::Restart => {
                pool.reopen();
                Ok(())
            }
        }
    }
}

/// Claims of different histories must not be the same.
fn id(pool: &Pool, claim: u8) -> ClaimId {
    ClaimId(u128::from(pool.queue().id().0) << 64 | u128::from(claim))
}

fn post(pool: &Pool, model: &mut Model, count: usize, ttl: Duration, delay: Duration) -> Result<(), TestCaseError> {
    let posted = pool.post(count, ttl, delay);
    let stored = pool.get(posted.clone());
    prop_assert_eq!(places(&stored.messages), posted, "what is posted is there");
    model.messages.extend(stored.messages.into_iter().map(|message| Known {
        place: message.place,
        expires: message.expires,
        due: message.due,
        held: None,
        claims: 0,
    }));
    Ok(())
}

fn take(pool: &Pool, model: &mut Model, claim: ClaimId, limit: u32, ttl: Duration) -> Result<(), TestCaseError> {
    let claimed = pool.claim(claim, limit, ttl);
    model.pass(claimed.batch.now);
    let got = places(&claimed.batch.messages);
    if model.claims.contains_key(&claim) {
        prop_assert_eq!(got, model.held(claim), "a claim that is repeated");
        return Ok(());
    }
    let mut free = model.free(claimed.batch.now);
    free.truncate(limit as usize);
    prop_assert_eq!(&got, &free, "a claim");
    if got.is_empty() {
        // A message that ends as it falls due may be counted or not: a date too early costs one look.
        let dates = [model.next_due(true), model.next_due(false)];
        prop_assert!(dates.contains(&claimed.next_due), "{:?} is not when the next falls due", claimed.next_due);
        return Ok(());
    }
    model.hold(&got, claim, claimed.batch.now.after(ttl));
    for message in claimed.batch.messages {
        let known = model.of(message.place);
        known.claims += 1;
        prop_assert_eq!((known.claims, known.expires), (message.claims, message.expires), "count and end");
    }
    Ok(())
}

fn renew(pool: &Pool, model: &mut Model, claim: ClaimId, ttl: Duration) -> Result<(), TestCaseError> {
    let renewal = Renewal { ttl, grace: GRACE, places: None, extensions: Default::default() };
    let renewed = pool.run(pool.pool().claim_renew(&pool.call(), pool.queue(), claim, renewal)).unwrap();
    prop_assert_eq!(renewed, model.claims.contains_key(&claim), "whether a claim can be renewed");
    if renewed {
        let read = pool.run(pool.pool().claim_get(&pool.call(), pool.queue(), claim)).unwrap();
        let read = read.expect("a claim that was just renewed");
        prop_assert_eq!(places(&read.messages), model.held(claim), "a renewed claim");
        model.hold(&model.held(claim), claim, read.renewed.after(ttl));
    }
    Ok(())
}

fn release(pool: &Pool, model: &mut Model, claim: ClaimId, delay: Duration) -> Result<(), TestCaseError> {
    let held = model.held(claim);
    let release = Release { delay, ..Release::default() };
    pool.run(pool.pool().claim_release(&pool.call(), pool.queue(), claim, release)).unwrap();
    model.claims.remove(&claim);
    let read = pool.get(held.clone());
    prop_assert_eq!(places(&read.messages), held, "what was released is there");
    for message in read.messages {
        prop_assert_eq!(message.claim, None, "a released message's claim");
        let known = model.of(message.place);
        known.held = None;
        known.due = message.due;
    }
    Ok(())
}

fn delete(pool: &Pool, model: &mut Model, index: usize) -> Result<(), TestCaseError> {
    if index < model.messages.len() {
        let place = model.messages.remove(index).place;
        prop_assert_eq!(pool.delete(vec![place], Guard::Any).count, 1, "messages deleted");
    }
    Ok(())
}

fn delete_claimed(pool: &Pool, model: &mut Model, claim: ClaimId) -> Result<(), TestCaseError> {
    let held = model.held(claim);
    let deleted = pool.delete(held.clone(), Guard::Claim(claim));
    prop_assert_eq!(deleted.count as usize, held.len(), "messages deleted under their claim");
    model.messages.retain(|message| !held.contains(&message.place));
    Ok(())
}

fn pop(pool: &Pool, model: &mut Model, limit: u32) -> Result<(), TestCaseError> {
    let popped = pool.pop(limit);
    model.pass(popped.now);
    let mut free = model.free(popped.now);
    free.truncate(limit as usize);
    prop_assert_eq!(places(&popped.messages), free.clone(), "a pop");
    model.messages.retain(|message| !free.contains(&message.place));
    Ok(())
}
