//! Hints: never silently missing.

use std::time::Duration;

use sukkal_plugin_sdk::{NewMessage, Pool as _, Post, QueueId, Release, WatchChange};

use super::{QUEUE, Rig, call, message, queue, secs};

fn hinted(rig: &Rig) -> Vec<QueueId> {
    rig.run(rig.pool().hints(&call())).unwrap().queues
}

fn nothing(rig: &Rig) -> bool {
    let call = call();
    let mut hints = Box::pin(rig.pool().hints(&call));
    let waker = std::task::Waker::noop();
    let mut waited = 0;
    while waited < 5 {
        if hints.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
        waited += 1;
    }
    true
}

#[test]
fn posts_releases_and_what_falls_due_are_hinted() {
    let rig = Rig::new();
    rig.post(&["before"]);
    let change = WatchChange { add: vec![queue(QUEUE, 1), queue(QueueId(3), 1)], ..WatchChange::default() };
    rig.run(rig.pool().watch(&call(), change)).unwrap();
    assert!(nothing(&rig));
    rig.post(&["after"]);
    assert_eq!(hinted(&rig), [QUEUE]);
    rig.claim(1, 5, 60);
    rig.release(1, Release::default());
    assert_eq!(hinted(&rig), [QUEUE]);
    rig.claim(2, 5, 60);
    assert!(nothing(&rig));
    rig.clock.advance(secs(61));
    assert_eq!(hinted(&rig), [QUEUE]);
    rig.post_message(NewMessage { delay: secs(600), ..message("later") });
    rig.claim(3, 5, 6000);
    // What was settled just now was hinted once more, which a hint may be.
    while !nothing(&rig) {}
    rig.clock.advance(secs(601));
    assert_eq!(hinted(&rig), [QUEUE]);
}

#[test]
fn a_queue_made_after_it_is_watched_is_hinted_and_one_no_longer_watched_is_not() {
    let rig = Rig::new();
    let change = WatchChange { add: vec![queue(QueueId(3), 1), queue(QUEUE, 1)], ..WatchChange::default() };
    rig.run(rig.pool().watch(&call(), change)).unwrap();
    rig.configure(QueueId(3), 1, None).unwrap();
    let post = Post { messages: vec![message("a")], ..Post::default() };
    rig.run(rig.pool().post(&call(), &queue(QueueId(3), 1), post)).unwrap();
    assert_eq!(hinted(&rig), [QueueId(3)]);
    let change = WatchChange { remove: vec![QUEUE], ..WatchChange::default() };
    rig.run(rig.pool().watch(&call(), change)).unwrap();
    rig.post(&["a"]);
    assert!(nothing(&rig));
}

#[test]
fn what_falls_due_among_expired_ones_is_hinted() {
    let rig = Rig::new();
    let short = NewMessage { ttl: secs(60), ..message("short") };
    rig.post_all(Post { messages: vec![short; 200], ..Post::default() }).unwrap();
    rig.post_message(NewMessage { delay: secs(900), ..message("later") });
    let change = WatchChange { add: vec![queue(QUEUE, 1)], ..WatchChange::default() };
    rig.run(rig.pool().watch(&call(), change)).unwrap();
    rig.clock.advance(secs(61));
    assert_eq!(hinted(&rig), [QUEUE]);
    assert!(rig.claim(1, 5, 60).is_empty());
    while !nothing(&rig) {}
    rig.clock.advance(secs(900));
    assert_eq!(hinted(&rig), [QUEUE]);
}
