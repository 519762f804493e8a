//! Bodies whose messages are gone: nobody sees them, and their space is given back.

use sukkal_plugin_sdk::{Budget, Guard, List, NewMessage, Place, Pool as _, Post};

use super::super::run::Read;
use super::{QUEUE, Rig, bodies, call, message, queue, secs};
use crate::settings::Settings;

/// How many bodies lie in the file, and how many messages it should hold.
fn counts(rig: &Rig) -> (usize, u64) {
    // Those that are gone from a run that stays are empty.
    let n_bodies = rig.run(rig.pool().read(&call(), |connection, _| {
        let mut statement = connection.prepare("SELECT id, heads, data FROM body")?;
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += Read::of_row(row)?.n_kept();
        }
        Ok(count)
    }));
    let n_bodies = n_bodies.unwrap();
    (n_bodies, rig.run(rig.pool().usage(&call())).unwrap().messages)
}

fn post(rig: &Rig, count: usize) -> Vec<Place> {
    let post = Post { client: "c".to_owned(), messages: vec![message("m"); count], ..Post::default() };
    rig.post_all(post).unwrap().places
}

/// A rig whose first sweep, which cleans whatever it finds, is over.
fn rig() -> Rig {
    let rig = Rig::new();
    rig.settle();
    rig
}

#[test]
fn bodies_of_deleted_messages_go_with_their_block() {
    let rig = rig();
    // Place 0 is never given, so this fills the first block, and begins the second.
    let places = post(&rig, 80);
    rig.delete(&places[..40], Guard::Any);
    assert_eq!(counts(&rig), (80, 40));
    let read = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), places.clone())).unwrap();
    assert_eq!(read.messages.len(), 40);
    assert_eq!(rig.list(List { limit: 100, claimed: true, delayed: true, ..List::default() }).messages.len(), 40);
    assert_eq!(rig.delete(&places[..40], Guard::Any).count, 0);
    rig.delete(&places[40..64], Guard::Any);
    assert_eq!(counts(&rig), (17, 16), "the first block's are gone");
    assert_eq!(rig.pop(16).len(), 16);
    assert_eq!(counts(&rig), (0, 0));
}

#[test]
fn garbage_of_a_block_that_stays_goes_after_a_while() {
    let rig = rig();
    let places = post(&rig, 60);
    let every_other: Vec<_> = places.iter().copied().step_by(2).collect();
    rig.delete(&every_other, Guard::Any);
    rig.settle();
    assert_eq!(counts(&rig), (60, 30));
    rig.clock.advance(secs(11));
    rig.settle();
    assert_eq!(counts(&rig), (30, 30));
    assert_eq!(rig.pop(100).len(), 30);
}

#[test]
fn after_a_restart_garbage_goes_with_the_first_sweep() {
    let mut rig = rig();
    let places = post(&rig, 10_000);
    let every_other: Vec<_> = places.iter().copied().step_by(2).collect();
    rig.delete(&every_other, Guard::Any);
    rig.restart();
    assert_eq!(counts(&rig), (10_000, 5000));
    assert!(rig.sweep().more, "it goes in steps");
    rig.settle();
    assert_eq!(counts(&rig), (5000, 5000));
    let left: Vec<_> = rig.list(List { limit: 10_000, ..List::default() }).messages.iter().map(|m| m.place).collect();
    assert_eq!(left, places.iter().copied().skip(1).step_by(2).collect::<Vec<_>>());
}

#[test]
fn too_much_of_it_goes_at_once() {
    let rig = rig();
    let large = "x".repeat(100_000);
    for _ in 0..20 {
        rig.post(&[large.as_str(); 20]);
    }
    let places: Vec<_> =
        rig.list(List { limit: 400, ..List::default() }).messages.iter().map(|message| message.place).collect();
    let some: Vec<_> = places.iter().copied().filter(|place| place.0 % 5 == 0).collect();
    rig.delete(&some, Guard::Any);
    rig.settle();
    assert_eq!(counts(&rig).0, 400, "a fifth is not too much");
    let more: Vec<_> = places.iter().copied().filter(|place| place.0 % 5 == 1).collect();
    rig.delete(&more, Guard::Any);
    rig.settle();
    assert_eq!(counts(&rig), (240, 240));
}

#[test]
fn a_full_file_is_cleaned_before_a_post_is_refused() {
    let rig = Rig::with(Settings { max_mib: 2, ..Settings::default() });
    rig.settle();
    let large = "x".repeat(20_000);
    let fill = || {
        let mut places = Vec::new();
        let one = || Post { messages: vec![message(&large)], ..Post::default() };
        while let Ok(posted) = rig.post_all(one()) {
            places.extend(posted.places);
        }
        places
    };
    let places = fill();
    let keep: Vec<_> = places.iter().copied().filter(|place| place.0 % 4 == 0).collect();
    let gone: Vec<_> = places.iter().copied().filter(|place| place.0 % 4 != 0).collect();
    rig.delete(&gone, Guard::Any);
    let again = fill();
    // Not all: pages that are half full take no message that comes after them.
    assert!(again.len() >= gone.len() * 9 / 10, "{} after {}", again.len(), gone.len());
    let left = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), keep.clone())).unwrap();
    assert_eq!(left.messages.len(), keep.len());
}

#[test]
fn what_a_purge_leaves_of_a_block_for_its_next_step_is_whole() {
    let rig = rig();
    let places = post(&rig, 200);
    let step = || {
        let budget = Budget { items: 70, time: secs(1) };
        rig.run(rig.pool().purge(&call(), &queue(QUEUE, 1), budget)).unwrap()
    };
    assert_eq!(step().count, 70);
    let left = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), places)).unwrap();
    assert_eq!(left.messages.len(), 130);
    while !step().done {}
    assert_eq!(counts(&rig), (0, 0));
}

#[test]
fn what_expires_beside_longer_lives_is_cleaned_too() {
    let rig = rig();
    for _ in 0..10 {
        rig.post_message(NewMessage { ttl: secs(60), ..message("short") });
        rig.post_message(NewMessage { ttl: secs(600), ..message("long") });
    }
    rig.clock.advance(secs(61));
    rig.settle();
    assert_eq!(counts(&rig), (20, 10));
    rig.clock.advance(secs(11));
    rig.settle();
    assert_eq!(counts(&rig), (10, 10));
    assert_eq!(rig.listed(), ["long"; 10]);
    assert_eq!(bodies(&rig.claim_in(QUEUE, 1, 20, 60).batch), ["long"; 10]);
}
