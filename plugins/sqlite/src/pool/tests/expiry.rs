//! What time does by itself: before any sweep, and after it.

use std::time::Duration;

use sukkal_plugin_sdk::{Guard, Header, List, NewMessage, Pool as _, Post};

use super::{ALL, QUEUE, Rig, bodies, call, message, queue, secs};

#[test]
fn expired_is_gone_before_any_sweep_and_after() {
    let rig = Rig::new();
    let short = rig.post_message(NewMessage { ttl: secs(60), ..message("short") });
    rig.post_message(NewMessage { ttl: secs(600), ..message("long") });
    rig.clock.advance(secs(61));
    let look = |rig: &Rig| {
        assert_eq!(rig.listed(), ["long"]);
        let all = rig.list(List { limit: 9, claimed: true, delayed: true, ..List::default() });
        assert_eq!(bodies(&all), ["long"]);
        let read = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), vec![short])).unwrap();
        assert!(read.messages.is_empty());
        let stats = rig.stats(QUEUE);
        assert_eq!((stats.free, stats.claimed), (1, 0));
        assert_eq!(stats.oldest, stats.newest);
    };
    look(&rig);
    assert_eq!(rig.sweep().expired, 1);
    look(&rig);
    assert_eq!(rig.sweep().expired, 0);
    assert_eq!(rig.delete(&[short], Guard::Any).count, 0);
    assert_eq!(rig.claim(1, 5, 60), ["long"]);
}

#[test]
fn a_delayed_message_shows_in_its_old_place_when_it_is_due() {
    let rig = Rig::new();
    let place = rig.post_message(NewMessage { delay: secs(10), ..message("later") });
    rig.post(&["now"]);
    assert_eq!(rig.listed(), ["now"]);
    assert_eq!(bodies(&rig.list(List { limit: 9, delayed: true, ..List::default() })), ["later", "now"]);
    let read = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), vec![place])).unwrap();
    assert_eq!(bodies(&read), ["later"]);
    assert_eq!(rig.claim(1, 5, 60), ["now"]);
    let due = rig.claim_in(QUEUE, 2, 5, 60).next_due.unwrap();
    assert_eq!(due, read.messages[0].due);
    rig.clock.advance(secs(11));
    assert_eq!(rig.listed(), ["later"]);
    assert_eq!(rig.claim(3, 5, 60), ["later"]);
}

#[test]
fn listings_with_claimed_ones_leave_delayed_ones_out() {
    let rig = Rig::new();
    rig.post(&["claimed"]);
    rig.claim(1, 1, 60);
    rig.post_message(NewMessage { delay: secs(10), ..message("delayed") });
    rig.post(&["free"]);
    let list = |claimed, delayed| bodies(&rig.list(List { limit: 9, claimed, delayed, ..List::default() }));
    assert_eq!(list(false, false), ["free"]);
    assert_eq!(list(true, false), ["claimed", "free"]);
    assert_eq!(list(false, true), ["delayed", "free"]);
    assert_eq!(list(true, true), ["claimed", "delayed", "free"]);
}

#[test]
fn space_is_given_back_to_the_disk_while_nobody_posts() {
    let rig = Rig::new();
    let large = "x".repeat(100_000);
    for _ in 0..100 {
        rig.post_message(NewMessage { ttl: secs(60), ..message(&large) });
    }
    let length = || rig.file("pool.db").len();
    let full = length();
    rig.clock.advance(secs(61));
    // The log is copied by a thread of its own.
    let given_back = (0..1000).any(|_| {
        rig.settle();
        std::thread::sleep(Duration::from_millis(10));
        length() < full / 2
    });
    let usage = rig.run(rig.pool().usage(&call())).unwrap();
    assert_eq!(usage.messages, 0);
    assert!(usage.bytes.unwrap() < full / 2, "{usage:?}");
    assert!(given_back, "{} bytes after {full}", length());
}

#[test]
fn what_falls_due_while_the_file_is_closed_is_swept_once_it_is_open() {
    let mut rig = Rig::new();
    rig.post_message(NewMessage { ttl: secs(60), ..message("short") });
    rig.post_message(NewMessage { ttl: secs(600), ..message("long") });
    rig.restart();
    assert_eq!(rig.sweep().expired, 0);
    rig.clock.advance(secs(61));
    rig.restart();
    assert_eq!(rig.sweep().expired, 1);
    rig.clock.advance(secs(600));
    assert_eq!(rig.sweep().expired, 1);
    assert_eq!(rig.sweep().expired, 0);
}

#[test]
fn a_queue_in_the_slot_of_a_dropped_one_is_swept_when_it_falls_due_itself() {
    let rig = Rig::new();
    rig.post_message(NewMessage { ttl: secs(60), ..message("dropped") });
    let header = Header { epoch: 2, dropping: true, ..Header::default() };
    rig.run(rig.pool().configure(&call(), &queue(QUEUE, 2), header)).unwrap();
    assert!(rig.run(rig.pool().drop_queue(&call(), &queue(QUEUE, 2), ALL)).unwrap().done);
    rig.configure(QUEUE, 3, None).unwrap();
    let post = Post { messages: vec![NewMessage { ttl: secs(120), ..message("next") }], ..Post::default() };
    rig.run(rig.pool().post(&call(), &queue(QUEUE, 3), post)).unwrap();
    rig.clock.advance(secs(61));
    assert_eq!(rig.sweep().expired, 0);
    rig.clock.advance(secs(60));
    assert_eq!(rig.sweep().expired, 1);
}
