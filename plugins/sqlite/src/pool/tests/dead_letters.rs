//! Messages that have used up their claims.

use std::time::Duration;

use sukkal_plugin_sdk::{
    DeadLetterRule, Delete, Header, List, MessageId, NewMessage, Pool as _, Post, QueueId, Reason, Release,
};

use super::{ALL, QUEUE, Rig, bodies, call, message, queue, secs};
use crate::error::Fail;
use crate::pool::{delete, settle};

const DEAD: QueueId = QueueId(4);

fn rule(max_claims: u32) -> DeadLetterRule {
    DeadLetterRule { queue: queue(DEAD, 1), max_claims, ttl: Some(secs(500)) }
}

fn dead(rig: &Rig) -> sukkal_plugin_sdk::Batch {
    let list = List { limit: 100, ..List::default() };
    rig.run(rig.pool().list(&call(), &queue(DEAD, 1), list)).unwrap()
}

fn rig(max_claims: u32) -> Rig {
    let rig = Rig::new();
    rig.configure(DEAD, 1, None).unwrap();
    rig.configure(QUEUE, 1, Some(rule(max_claims))).unwrap();
    rig
}

#[test]
fn the_next_claim_moves_what_is_used_up_and_gives_the_rest() {
    let rig = rig(1);
    let place = rig.post(&["m1"])[0];
    rig.claim(1, 1, 60);
    rig.release(1, Release::default());
    rig.post(&["m2"]);
    assert_eq!(rig.claim(2, 2, 60), ["m2"]);
    let moved = dead(&rig);
    assert_eq!(bodies(&moved), ["m1"]);
    let letter = &moved.messages[0];
    assert_eq!((letter.claims, letter.ttl, letter.client.as_str()), (0, secs(500), "client"));
    assert_eq!(letter.expires, letter.posted.after(secs(500)));
    let origin = letter.origin.as_ref().unwrap();
    assert_eq!(origin.id, MessageId { queue: QUEUE, place });
    assert_eq!((origin.claims, origin.reason), (1, Reason::ClaimsExhausted));
    assert_eq!(origin.label, format!("label of {}", QUEUE.0));
    assert_eq!(rig.stats(QUEUE).claimed, 1);
    assert_eq!(rig.stats(DEAD).free, 1);
}

#[test]
fn the_sweep_moves_what_nobody_asks_for() {
    let rig = rig(2);
    rig.post(&["m"]);
    for claim in [1, 2] {
        assert_eq!(rig.claim(claim, 1, 60), ["m"]);
        rig.clock.advance(secs(61));
    }
    let stats = rig.stats(QUEUE);
    assert_eq!((stats.free, stats.claimed, stats.exhausted), (1, 0, 1));
    assert_eq!(rig.sweep().moved, 1);
    assert_eq!(bodies(&dead(&rig)), ["m"]);
    assert!(rig.pop(1).is_empty());
    assert_eq!(rig.sweep().moved, 0);
    assert_eq!(rig.stats(QUEUE).free, 0);
}

#[test]
fn what_falls_due_together_keeps_its_order() {
    // More than one step moves.
    let texts: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for by_sweep in [false, true] {
        let rig = rig(1);
        rig.post(&texts);
        for claim in 0..10 {
            assert_eq!(rig.claim(claim, 500, 60).len(), 500);
        }
        for claim in 0..10 {
            rig.release(claim, Release::default());
        }
        if by_sweep {
            while rig.sweep().more {}
        } else {
            assert!(rig.claim(10, 1, 60).is_empty());
        }
        let list = List { limit: 5000, ..List::default() };
        let moved = rig.run(rig.pool().list(&call(), &queue(DEAD, 1), list)).unwrap();
        assert_eq!(bodies(&moved), texts, "by a sweep: {by_sweep}");
    }
}

#[test]
fn a_message_keeps_its_end_where_the_rule_gives_no_life() {
    let rig = rig(1);
    rig.configure(QUEUE, 1, Some(DeadLetterRule { ttl: None, ..rule(1) })).unwrap();
    rig.post_message(NewMessage { ttl: secs(1000), ..message("m") });
    let end = rig.claim_in(QUEUE, 1, 1, 60).batch.messages[0].expires;
    rig.clock.advance(secs(61));
    rig.settle();
    assert_eq!(dead(&rig).messages[0].expires, end);
}

#[test]
fn without_its_dead_letter_queue_a_message_stays_and_is_counted() {
    let rig = Rig::new();
    rig.configure(QUEUE, 1, Some(rule(1))).unwrap();
    rig.post(&["m", "n"]);
    rig.claim(1, 1, 60);
    rig.release(1, Release::default());
    assert_eq!(rig.claim(2, 5, 60), ["n"]);
    assert!(rig.claim(3, 5, 60).is_empty());
    assert_eq!(rig.listed(), ["m"]);
    let stats = rig.stats(QUEUE);
    assert_eq!((stats.free, stats.exhausted), (1, 1));
    rig.clock.advance(secs(6));
    assert_eq!(rig.sweep().stuck, 1);
    rig.configure(DEAD, 1, None).unwrap();
    rig.clock.advance(secs(6));
    assert_eq!(rig.sweep().moved, 1);
    assert_eq!(bodies(&dead(&rig)), ["m"]);
}

#[test]
fn what_is_stuck_is_looked_at_once_however_much_it_is_and_holds_up_nobody() {
    const OTHER: QueueId = QueueId(5);
    let mut rig = Rig::new();
    rig.configure(QUEUE, 1, Some(rule(1))).unwrap();
    rig.configure(OTHER, 1, None).unwrap();
    let texts: Vec<_> = (0..10_000).map(|number| number.to_string()).collect();
    rig.post(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    for claim in 0..10 {
        rig.claim(claim, 1000, 60);
        rig.release(claim, Release::default());
    }
    rig.settle();
    assert_eq!(rig.listed(), texts[..100], "it is read as before");
    for is_again in [false, true] {
        if is_again {
            rig.restart();
        }
        let short = Post { messages: vec![NewMessage { ttl: secs(1), ..message("short") }], ..Post::default() };
        rig.run(rig.pool().post(&call(), &queue(OTHER, 1), short)).unwrap();
        rig.clock.advance(secs(6));
        let swept = rig.sweep();
        assert_eq!((swept.stuck, swept.expired, swept.more), (10_000, 1, false));
        assert_eq!(rig.sweep().stuck, 0, "for a while");
    }
    rig.configure(DEAD, 1, None).unwrap();
    rig.clock.advance(secs(6));
    rig.settle();
    assert_eq!((rig.stats(QUEUE).free, rig.stats(DEAD).free), (0, 10_000));
    assert_eq!(bodies(&dead(&rig)), texts[..100]);
}

#[test]
fn what_is_stuck_is_looked_at_again_after_a_transaction_that_came_to_nothing() {
    let rig = Rig::new();
    rig.configure(QUEUE, 1, Some(rule(1))).unwrap();
    let place = rig.post(&["m"])[0];
    rig.claim(1, 1, 60);
    rig.release(1, Release::default());
    assert_eq!(rig.sweep().stuck, 1);
    rig.clock.advance(secs(6));
    let call = call();
    let fails = rig.pool().write(&call, 0, move |ledger| {
        delete::delete(ledger, &queue(QUEUE, 1), &Delete { places: vec![place], ..Delete::default() })?;
        let swept = settle::sweep(ledger, ALL)?;
        assert_eq!(swept.stuck, 0, "it is deleted");
        Err::<(), _>(Fail::Corrupt("not really"))
    });
    rig.run(fails).unwrap_err();
    assert_eq!(rig.sweep().stuck, 1, "it is there as before");
    rig.configure(DEAD, 1, None).unwrap();
    rig.clock.advance(secs(6));
    assert_eq!(rig.sweep().moved, 1);
}

#[test]
fn a_rule_that_changes_frees_at_once_what_was_stuck() {
    let rig = Rig::new();
    rig.configure(QUEUE, 1, Some(rule(1))).unwrap();
    rig.post(&["m"]);
    rig.claim(1, 1, 60);
    rig.release(1, Release::default());
    assert_eq!(rig.sweep().stuck, 1);
    rig.configure(QUEUE, 1, Some(rule(2))).unwrap();
    assert_eq!(rig.claim(2, 1, 60), ["m"]);
}

#[test]
fn a_rule_that_comes_after_the_claims_holds_for_them_too() {
    let rig = Rig::new();
    rig.configure(DEAD, 1, None).unwrap();
    rig.post(&["m", "n"]);
    rig.claim(1, 1, 60);
    rig.release(1, Release::default());
    rig.configure(QUEUE, 1, Some(rule(1))).unwrap();
    assert_eq!(rig.claim(2, 1, 60), ["n"]);
    rig.settle();
    assert_eq!(bodies(&dead(&rig)), ["m"]);
}

#[test]
fn a_rule_that_is_lowered_just_before_a_restart_holds_after_it() {
    let mut rig = rig(5);
    // Over several blocks, of which the last is the open one.
    let texts: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    rig.post(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    rig.claim(1, 200, 60);
    rig.release(1, Release::default());
    rig.configure(QUEUE, 2, Some(rule(1))).unwrap();
    rig.restart();
    let mut moved = 0;
    for _ in 0..10 {
        moved += rig.sweep().moved;
    }
    assert_eq!((moved, rig.stats(DEAD).free), (200, 200));
    assert_eq!(bodies(&dead(&rig)), texts[..100]);
}

#[test]
fn a_rule_that_is_taken_away_just_before_a_restart_frees_what_was_stuck() {
    let mut rig = Rig::new();
    rig.configure(QUEUE, 1, Some(rule(1))).unwrap();
    rig.post(&["m"]);
    rig.claim(1, 1, 60);
    rig.release(1, Release::default());
    assert!(rig.claim(2, 1, 60).is_empty());
    rig.configure(QUEUE, 1, None).unwrap();
    rig.restart();
    assert_eq!(rig.claim(3, 1, 60), ["m"]);
    assert_eq!(rig.stats(QUEUE).exhausted, 0);
}

#[test]
fn a_message_that_ends_with_its_last_claim_moves() {
    let rig = rig(1);
    for life in [60_000, 60_999] {
        rig.post_message(NewMessage { ttl: Duration::from_millis(life), ..message("m") });
        rig.claim(life.into(), 1, 60);
        rig.clock.advance(secs(61));
        assert_eq!(rig.stats(QUEUE).free, 0, "its end has come");
        let swept = rig.sweep();
        assert_eq!((swept.moved, swept.expired), (1, 0));
        assert_eq!(rig.stats(QUEUE).claimed, 0);
    }
    assert_eq!(bodies(&dead(&rig)), ["m", "m"]);
    rig.clock.advance(secs(3600));
    rig.settle();
    assert_eq!(rig.stats(DEAD).free, 0);
}

#[test]
fn a_message_whose_end_comes_before_its_dead_letter_queue_stays_gone() {
    let rig = Rig::new();
    rig.configure(QUEUE, 1, Some(rule(1))).unwrap();
    for ttl in [secs(120), secs(60)] {
        rig.post_message(NewMessage { ttl, ..message("m") });
        rig.claim(ttl.as_secs().into(), 1, 60);
        rig.clock.advance(secs(61));
        assert_eq!(rig.sweep().moved, 0);
    }
    rig.clock.advance(secs(60));
    assert_eq!(rig.sweep().moved, 0);
    rig.configure(DEAD, 1, None).unwrap();
    rig.clock.advance(secs(6));
    assert_eq!(rig.sweep().moved, 0);
    assert!(dead(&rig).messages.is_empty());
    assert_eq!(rig.stats(QUEUE).free, 0);
}

#[test]
fn a_dropping_dead_letter_queue_takes_nothing() {
    let rig = rig(1);
    rig.post(&["m"]);
    let header = Header { epoch: 2, dropping: true, ..Header::default() };
    rig.run(rig.pool().configure(&call(), &queue(DEAD, 2), header)).unwrap();
    rig.claim(1, 1, 60);
    rig.release(1, Release::default());
    assert_eq!(rig.sweep().stuck, 1);
    assert!(rig.run(rig.pool().drop_queue(&call(), &queue(DEAD, 2), ALL)).unwrap().done);
    assert_eq!(rig.listed(), ["m"]);
}

#[test]
fn what_is_used_up_does_not_wait_for_what_has_expired_to_be_swept() {
    let rig = rig(1);
    rig.post(&["m"; 64]);
    for _ in 0..20 {
        let post = Post { messages: vec![NewMessage { ttl: secs(30), ..message("short") }; 500], ..Post::default() };
        rig.post_all(post).unwrap();
    }
    assert_eq!(rig.claim(1, 1, 60), ["m"]);
    rig.clock.advance(secs(61));
    let swept = rig.sweep();
    assert!(swept.moved == 1 && swept.more, "{swept:?}");
    assert_eq!(bodies(&dead(&rig)), ["m"]);
    rig.settle();
    assert_eq!(rig.run(rig.pool().usage(&call())).unwrap().messages, 64);
}

#[test]
fn messages_that_end_with_their_last_claim_move_however_many_lie_side_by_side() {
    let rig = rig(1);
    let short = NewMessage { ttl: secs(60), ..message("m") };
    rig.post_all(Post { messages: vec![short; 100], ..Post::default() }).unwrap();
    assert_eq!(rig.claim(1, 100, 60).len(), 100);
    rig.clock.advance(secs(61));
    assert!(rig.claim(2, 1, 60).is_empty());
    assert_eq!(dead(&rig).messages.len(), 100);
}
