//! Deep queues cost no more than shallow ones.

use std::time::Instant;

use sukkal_plugin_sdk::{Cursor, List, NewMessage, Pool as _, Post};

use super::{QUEUE, Rig, bodies, call, message, queue, secs};

const DEEP: usize = 20_000;

fn fill(rig: &Rig, like: &NewMessage, client: &str) {
    for _ in 0..DEEP / 500 {
        let post = Post { client: client.to_owned(), messages: vec![like.clone(); 500], ..Post::default() };
        rig.post_all(post).unwrap();
    }
}

#[test]
fn what_is_hidden_at_the_head_is_not_walked_over() {
    let rig = Rig::new();
    fill(&rig, &NewMessage { delay: secs(600), ..message("hidden") }, "c");
    rig.post(&["seen"]);
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(rig.listed(), ["seen"]);
    }
    assert!(started.elapsed() < secs(2), "{:?}", started.elapsed());
    assert_eq!(rig.claim(1, 5, 60), ["seen"]);
    rig.clock.advance(secs(601));
    assert_eq!(rig.stats(QUEUE).free, DEEP as u64 + 1);
    assert_eq!(rig.claim(2, 2, 60), ["hidden", "hidden"]);
}

#[test]
fn what_expires_at_once_goes_in_steps() {
    let rig = Rig::new();
    fill(&rig, &NewMessage { ttl: secs(60), ..message("short") }, "c");
    rig.post(&["long"]);
    rig.clock.advance(secs(61));
    let swept = rig.sweep();
    assert!(swept.more && swept.expired <= 2000, "{swept:?}");
    assert_eq!(rig.listed(), ["long"]);
    assert_eq!(rig.stats(QUEUE).free, 1);
    assert_eq!(rig.claim(1, 5, 60), ["long"]);
    rig.settle();
    assert_eq!(rig.run(rig.pool().usage(&call())).unwrap().messages, 1);
}

#[test]
fn whoever_reads_settles_what_is_in_the_way_in_steps() {
    let rig = Rig::new();
    fill(&rig, &NewMessage { ttl: secs(60), ..message("short") }, "c");
    rig.post(&["long"]);
    rig.clock.advance(secs(61));
    let held = || rig.run(rig.pool().usage(&call())).unwrap().messages as usize;
    assert_eq!(rig.listed(), ["long"]);
    let after_one = held();
    assert!(after_one > DEEP / 10 && after_one < DEEP / 3 * 2, "{after_one}");
    assert_eq!(rig.stats(QUEUE).free, 1);
    assert!(held() < 64 * 64 * 2, "{}", held());
    assert_eq!(rig.listed(), ["long"]);
}

#[test]
fn ones_own_messages_are_passed_over() {
    let rig = Rig::new();
    fill(&rig, &message("own"), "me");
    rig.post(&["theirs"]);
    let list = || List { limit: 5, not_from: Some("me".to_owned()), ..List::default() };
    assert_eq!(bodies(&rig.list(list())), ["theirs"]);
    let own = rig.run(rig.pool().list(&call(), &queue(QUEUE, 1), List { limit: 3, ..List::default() })).unwrap();
    assert_eq!(own.messages.len(), 3);
}

#[test]
fn ones_own_messages_are_walked_over_once_and_others_are_still_found() {
    let rig = Rig::new();
    let by = |client: &str, message: NewMessage| {
        let post = Post { client: client.to_owned(), messages: vec![message], ..Post::default() };
        rig.post_all(post).unwrap();
    };
    let others = || {
        let list = List { limit: 10, not_from: Some("me".to_owned()), ..List::default() };
        bodies(&rig.list(list))
    };
    fill(&rig, &message("mine"), "me");
    assert!(others().is_empty());
    by("you", NewMessage { delay: secs(600), ..message("later") });
    fill(&rig, &message("mine"), "me");
    assert!(others().is_empty());
    by("you", message("yours"));
    for _ in 0..2 {
        assert_eq!(others(), ["yours"]);
    }
    rig.clock.advance(secs(601));
    for _ in 0..2 {
        assert_eq!(others(), ["later", "yours"]);
    }
}

#[test]
fn a_claim_passes_over_what_has_expired_and_leaves_it_to_the_sweep() {
    let rig = Rig::new();
    fill(&rig, &NewMessage { ttl: secs(60), ..message("short") }, "c");
    rig.post(&["first", "second", "third"]);
    rig.clock.advance(secs(61));
    let held = || rig.run(rig.pool().usage(&call())).unwrap().messages as usize;
    assert_eq!(rig.claim(1, 1, 600), ["first"]);
    assert_eq!(rig.pop(1), ["second"]);
    // What lies in the same block as these is gone.
    assert!(held() > DEEP - 64, "{}", held());
    rig.sweep();
    let half_way = held();
    assert_eq!(rig.claim(2, 5, 600), ["third"]);
    assert_eq!(held(), half_way);
    rig.settle();
    assert_eq!(held(), 2);
    assert_eq!(rig.stats(QUEUE).claimed, 2);
}

#[test]
fn what_comes_back_among_expired_ones_comes_in_its_old_place() {
    let rig = Rig::new();
    let short = NewMessage { ttl: secs(600), ..message("short") };
    let delayed = |text| rig.post_message(NewMessage { delay: secs(800), ..message(text) });
    rig.post(&["claimed"]);
    rig.claim(1, 1, 900);
    let place = delayed("delayed");
    fill(&rig, &short, "c");
    delayed("later");
    fill(&rig, &short, "c");
    rig.post(&["free"]);
    rig.clock.advance(secs(610));
    assert_eq!(rig.claim(2, 5, 250), ["free"]);
    let read = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), vec![place])).unwrap();
    assert_eq!(rig.claim_in(QUEUE, 3, 5, 60).next_due, Some(read.messages[0].due));
    rig.clock.advance(secs(200));
    assert_eq!(rig.claim(4, 1, 60), ["delayed"]);
    rig.clock.advance(secs(100));
    let mut back = Vec::new();
    for claim in 5..7 {
        back.extend(rig.claim(claim, 5, 60));
    }
    assert_eq!(back, ["claimed", "delayed", "later", "free"]);
}

#[test]
fn what_is_imported_among_expired_ones_comes_back_too() {
    let (from, to) = (Rig::new(), Rig::new());
    from.post(&["claimed"; 200]);
    from.claim(1, 200, 600);
    to.post_all(Post { messages: vec![NewMessage { ttl: secs(60), ..message("short") }; 200], ..Post::default() })
        .unwrap();
    to.clock.advance(secs(61));
    assert!(to.claim(2, 1, 60).is_empty());
    let page = from.run(from.pool().export(&call(), &queue(QUEUE, 1), Cursor::new())).unwrap();
    to.run(to.pool().import(&call(), &queue(QUEUE, 1), page)).unwrap();
    to.clock.advance(secs(600));
    assert_eq!(to.claim(3, 200, 60).len(), 200);
}
