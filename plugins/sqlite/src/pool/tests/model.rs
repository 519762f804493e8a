//! Random histories against a naive model: a list of messages, looked through each time.

use proptest::prelude::*;
use sukkal_plugin_sdk::{ClaimId, Guard, List, NewMessage, Place, Pool as _, Release, Renewal, Timestamp};

use super::{QUEUE, Rig, call, message, queue, secs};

#[derive(Clone, Debug)]
enum Op {
    Post { ttl: u64, delay: u64, count: usize },
    Claim { claim: u128, limit: u32, ttl: u64 },
    Renew { claim: u128, ttl: u64 },
    Release { claim: u128, delay: u64 },
    Delete { index: usize },
    DeleteClaimed { claim: u128 },
    Pop { limit: u32 },
    Advance { seconds: u64 },
    Sweep,
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..200_u64, prop_oneof![3 => Just(0_u64), 1 => 1..50_u64], 1..40_usize)
            .prop_map(|(ttl, delay, count)| Op::Post { ttl, delay, count }),
        4 => (0..6_u128, 1..30_u32, 1..100_u64).prop_map(|(claim, limit, ttl)| Op::Claim { claim, limit, ttl }),
        1 => (0..6_u128, 1..100_u64).prop_map(|(claim, ttl)| Op::Renew { claim, ttl }),
        2 => (0..6_u128, prop_oneof![Just(0_u64), 1..50_u64]).prop_map(|(claim, delay)| Op::Release { claim, delay }),
        2 => (0..100_usize).prop_map(|index| Op::Delete { index }),
        2 => (0..6_u128).prop_map(|claim| Op::DeleteClaimed { claim }),
        1 => (1..10_u32).prop_map(|limit| Op::Pop { limit }),
        3 => (1..80_u64).prop_map(|seconds| Op::Advance { seconds }),
        1 => Just(Op::Sweep),
        1 => Just(Op::Restart),
    ]
}

#[derive(Clone, Debug)]
struct Known {
    place: Place,
    expires: Timestamp,
    due: Timestamp,
    held: Option<(u128, Timestamp)>,
    claims: u32,
}

#[derive(Default)]
struct Model {
    messages: Vec<Known>,
    /// Claims and when they end.
    claims: std::collections::HashMap<u128, Timestamp>,
}

impl Model {
    fn pass(&mut self, now: Timestamp) {
        self.messages.retain(|message| message.expires > now);
        self.claims.retain(|_, ends| *ends > now);
        for message in &mut self.messages {
            message.held = message.held.filter(|held| held.1 > now);
        }
    }

    fn free(&self, now: Timestamp) -> Vec<Place> {
        let free = self.messages.iter().filter(|message| message.held.is_none() && message.due <= now);
        free.map(|message| message.place).collect()
    }

    fn held(&self, claim: u128) -> Vec<Place> {
        let held = self.messages.iter().filter(|message| message.held.is_some_and(|held| held.0 == claim));
        held.map(|message| message.place).collect()
    }

    fn of(&mut self, place: Place) -> &mut Known {
        self.messages.iter_mut().find(|message| message.place == place).unwrap()
    }

    fn hold(&mut self, places: &[Place], claim: u128, until: Timestamp) {
        for place in places {
            let message = self.of(*place);
            message.held = Some((claim, until));
            match until.0 - message.expires.0 {
                ..=0 => {}
                1..1000 => message.expires = until,
                _ => message.expires = until.after(secs(60)),
            }
        }
    }
}

fn places(messages: &[sukkal_plugin_sdk::Message]) -> Vec<Place> {
    messages.iter().map(|message| message.place).collect()
}

fn step(rig: &mut Rig, model: &mut Model, op: Op) {
    match op {
        Op::Post { ttl, delay, count } => {
            let new = NewMessage { ttl: secs(ttl), delay: secs(delay), ..message("m") };
            let post = sukkal_plugin_sdk::Post { messages: vec![new; count], ..Default::default() };
            let posted = rig.post_all(post).unwrap().places;
            let stored = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), posted.clone())).unwrap();
            assert_eq!(places(&stored.messages), posted);
            for message in stored.messages {
                let (place, expires, due) = (message.place, message.expires, message.due);
                model.messages.push(Known { place, expires, due, held: None, claims: 0 });
            }
        }
        Op::Claim { claim, limit, ttl } => {
            let known = model.claims.contains_key(&claim);
            let claimed = rig.claim_in(QUEUE, claim, limit, ttl);
            model.pass(claimed.batch.now);
            let got = places(&claimed.batch.messages);
            if known && model.claims.contains_key(&claim) {
                assert_eq!(got, model.held(claim), "the same claim");
                return;
            }
            let mut wanted = model.free(claimed.batch.now);
            wanted.truncate(limit as usize);
            assert_eq!(got, wanted, "claim");
            if got.is_empty() {
                let hidden = model.messages.iter().map(|message| message.held.map_or(message.due, |held| held.1)).min();
                assert_eq!(claimed.next_due, hidden, "next due");
                return;
            }
            let until = claimed.batch.now.after(secs(ttl));
            model.hold(&got, claim, until);
            model.claims.insert(claim, until);
            for message in claimed.batch.messages {
                let known = model.of(message.place);
                known.claims += 1;
                assert_eq!(known.claims, message.claims);
                assert_eq!(known.expires, message.expires);
            }
        }
        Op::Renew { claim, ttl } => {
            let renewal = Renewal { ttl: secs(ttl), grace: secs(60), places: None, extensions: Default::default() };
            model.pass(rig.now());
            let renewed = rig.run(rig.pool().claim_renew(&call(), &queue(QUEUE, 1), ClaimId(claim), renewal)).unwrap();
            assert_eq!(renewed, model.claims.contains_key(&claim));
            if renewed {
                let read = rig.run(rig.pool().claim_get(&call(), &queue(QUEUE, 1), ClaimId(claim))).unwrap().unwrap();
                let until = read.renewed.after(secs(ttl));
                assert_eq!(places(&read.messages), model.held(claim));
                model.hold(&model.held(claim), claim, until);
                model.claims.insert(claim, until);
            }
        }
        Op::Release { claim, delay } => {
            let held = model.held(claim);
            rig.release(claim, Release { delay: secs(delay), ..Release::default() });
            model.claims.remove(&claim);
            let read = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), held.clone())).unwrap();
            for message in read.messages {
                let known = model.of(message.place);
                known.held = None;
                known.due = message.due;
            }
        }
        Op::Delete { index } => {
            let Some(place) = model.messages.get(index).map(|message| message.place) else { return };
            rig.delete(&[place], Guard::Any);
            model.messages.remove(index);
        }
        Op::DeleteClaimed { claim } => {
            let held = model.held(claim);
            let deleted = rig.delete(&held, Guard::Claim(ClaimId(claim)));
            assert_eq!(deleted.count as usize, held.len());
            model.messages.retain(|message| !held.contains(&message.place));
        }
        Op::Pop { limit } => {
            let popped = rig.run(rig.pool().pop(&call(), &queue(QUEUE, 1), limit)).unwrap();
            model.pass(popped.now);
            let mut wanted = model.free(popped.now);
            wanted.truncate(limit as usize);
            assert_eq!(places(&popped.messages), wanted, "pop");
            model.messages.retain(|message| !wanted.contains(&message.place));
        }
        Op::Advance { seconds } => rig.clock.advance(secs(seconds)),
        Op::Sweep => rig.settle(),
        Op::Restart => rig.restart(),
    }
}

fn compare(rig: &Rig, model: &mut Model) {
    let listed = rig.list(List { limit: 10_000, ..List::default() });
    model.pass(listed.now);
    assert_eq!(places(&listed.messages), model.free(listed.now), "list");
    let all = rig.list(List { limit: 10_000, claimed: true, delayed: true, ..List::default() });
    model.pass(all.now);
    let known: Vec<_> = model.messages.iter().map(|message| message.place).collect();
    assert_eq!(places(&all.messages), known, "list of all");
    let stats = rig.stats(QUEUE);
    model.pass(stats.now);
    let held = model.messages.iter().filter(|message| message.held.is_some()).count();
    assert_eq!((stats.claimed as usize, stats.free as usize), (held, model.messages.len() - held), "stats");
    assert_eq!(stats.oldest.map(|spot| spot.place), model.messages.first().map(|message| message.place));
    assert_eq!(stats.newest.map(|spot| spot.place), model.messages.last().map(|message| message.place));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_the_models(ops in prop::collection::vec(op(), 1..40)) {
        let settings = crate::settings::Settings {
            synchronous: crate::settings::Synchronous::Normal,
            ..Default::default()
        };
        let mut rig = Rig::with(settings);
        let mut model = Model::default();
        for op in ops {
            // Off the second, so that no instant of the history falls on another by a hair.
            rig.clock.advance(std::time::Duration::from_millis(37));
            model.pass(rig.now());
            step(&mut rig, &mut model, op);
            compare(&rig, &mut model);
        }
    }
}
