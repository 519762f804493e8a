//! The blocks of a queue that are claimed from.

use sukkal_plugin_sdk::{Guard, NewMessage, Place, Pool as _, Post, QueueId, Release};

use super::super::snapshot::Snapshot;
use super::{QUEUE, Rig, call, message, queue, secs};
use crate::settings::{Settings, Synchronous};

fn number(rig: &Rig, sql: &'static str) -> i64 {
    let read = move |snapshot: &Snapshot<'_>| Ok(snapshot.connection.query_row(sql, [], |row| row.get(0))?);
    rig.run(rig.pool().read(&call(), read)).unwrap()
}

/// How many blocks the tables have: all that are closed, and those of them that are at the front.
fn blocks(rig: &Rig) -> (i64, i64) {
    (number(rig, "SELECT count(*) FROM block"), number(rig, "SELECT count(*) FROM front"))
}

/// When the sweep looks into the queue.
fn falls_due(rig: &Rig) -> i64 {
    number(rig, "SELECT wakes FROM tally")
}

/// Posts so many messages that are alike but for their numbers.
fn post(rig: &Rig, like: &NewMessage, numbers: std::ops::Range<usize>) -> Vec<Place> {
    let messages = numbers.map(|number| NewMessage { body: number.to_string().into(), ..like.clone() }).collect();
    rig.post_all(Post { client: "c".to_owned(), messages, ..Post::default() }).unwrap().places
}

fn numbers(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

#[test]
fn two_blocks_of_a_queue_are_there_at_the_most_and_none_once_it_is_empty() {
    let mut rig = Rig::new();
    let places = post(&rig, &message(""), 0..640);
    // The first place of all is the second of its block.
    let n_closed = blocks(&rig).0;
    assert_eq!(blocks(&rig), (10, 0));
    for claim in 0..16 {
        assert_eq!(rig.claim(claim, 30, 300).len(), 30);
        assert!((1..=2).contains(&blocks(&rig).1), "{:?}", blocks(&rig));
    }
    assert_eq!(blocks(&rig), (n_closed, 2), "the others lie where they lay");
    rig.restart();
    assert_eq!(rig.claim(20, 30, 300), numbers(480..510));
    assert_eq!(blocks(&rig).1, 2);
    rig.delete(&places, Guard::Any);
    assert_eq!(blocks(&rig), (0, 0));
    post(&rig, &message(""), 0..200);
    assert_eq!(rig.pop(10), numbers(0..10));
    rig.run(rig.pool().purge(&call(), &queue(QUEUE, 1), super::ALL)).unwrap();
    assert_eq!(blocks(&rig), (0, 0));
}

#[test]
fn what_lies_there_falls_due_as_elsewhere() {
    let mut rig = Rig::new();
    post(&rig, &NewMessage { ttl: secs(100), ..message("") }, 0..10);
    post(&rig, &message(""), 10..200);
    assert_eq!(rig.claim(1, 20, 60), numbers(0..20));
    assert_eq!(rig.claim(2, 20, 90), numbers(20..40));
    rig.release(2, Release { delay: secs(120), ..Release::default() });
    assert_eq!(blocks(&rig).1, 1);
    rig.restart();
    let stats = rig.stats(QUEUE);
    assert_eq!((stats.free, stats.claimed), (180, 20), "what is delayed counts as free");
    assert_eq!(rig.listed(), numbers(40..140));
    // The first claim ends: seen at once, whether or not anything was settled.
    rig.clock.advance(secs(61));
    assert_eq!(rig.stats(QUEUE).claimed, 0);
    assert_eq!(rig.listed()[..21], [numbers(0..20), numbers(40..41)].concat());
    assert_eq!(rig.sweep().freed, 20);
    // The short ones end, and nobody has taken them.
    rig.clock.advance(secs(40));
    assert_eq!(rig.listed()[..11], [numbers(10..20), numbers(40..41)].concat());
    assert_eq!(rig.stats(QUEUE).free, 190);
    assert_eq!(rig.sweep().expired, 10);
    assert!(falls_due(&rig) > rig.now().0, "what is settled is not looked at again");
    rig.restart();
    assert_eq!(rig.claim(3, 15, 60), [numbers(10..20), numbers(40..45)].concat());
    // The delay has passed.
    rig.clock.advance(secs(50));
    assert_eq!(rig.claim(4, 30, 60), [numbers(20..40), numbers(45..55)].concat());
    // All ends.
    rig.clock.advance(secs(4000));
    assert_eq!(rig.stats(QUEUE).free, 0);
    rig.settle();
    assert_eq!((blocks(&rig), rig.run(rig.pool().usage(&call())).unwrap().messages), ((0, 0), 0));
}

#[test]
fn claims_that_end_there_one_after_the_other_are_found() {
    let rig = Rig::new();
    let due_in = |claim| rig.claim_in(QUEUE, claim, 1, 60).next_due.unwrap().0 - rig.now().0;
    // More blocks than are looked into for the next end.
    post(&rig, &message(""), 0..3000);
    assert_eq!(rig.claim(1, 2900, 1000).len(), 2900);
    // Those of the last block that is closed.
    assert_eq!(rig.claim(2, 20, 90).len(), 20);
    assert_eq!(rig.claim(3, 20, 60).len(), 20);
    assert_eq!(rig.claim(8, 60, 1000).len(), 60);
    assert!((50_000..=60_000).contains(&due_in(4)));
    rig.clock.advance(secs(61));
    assert_eq!(rig.claim(5, 60, 1000), numbers(2920..2940));
    assert!((19_000..=29_000).contains(&due_in(6)));
    rig.clock.advance(secs(30));
    assert_eq!(rig.claim(7, 60, 1000), numbers(2900..2920));
}

#[test]
fn what_is_gone_from_there_is_not_the_oldest_any_more() {
    let rig = Rig::new();
    let places = post(&rig, &message(""), 0..100);
    let ends = || [rig.stats(QUEUE).oldest, rig.stats(QUEUE).newest].map(|spot| spot.unwrap().place);
    rig.claim(1, 5, 60);
    rig.delete(&places[..3], Guard::Any);
    assert_eq!(ends(), [places[3], places[99]]);
    rig.delete(&places[60..], Guard::Any);
    rig.delete(&places[50..60], Guard::Any);
    assert_eq!(ends(), [places[3], places[49]]);
}

#[test]
fn claims_go_on_in_many_queues_of_a_full_file() {
    let rig = Rig::with(Settings { max_mib: 4, synchronous: Synchronous::Normal, ..Settings::default() });
    let post = || Post { client: "c".to_owned(), messages: vec![message("m"); 70], ..Post::default() };
    let stored = |id: &QueueId| {
        let id = *id;
        rig.configure(id, 1, None).is_ok() && rig.run(rig.pool().post(&call(), &queue(id, 1), post())).is_ok()
    };
    let queues: Vec<_> = (1..5000).map(QueueId).take_while(stored).collect();
    assert!((1000..4000).contains(&queues.len()), "{}", queues.len());
    // So many claims have room in what is held back; the front of so many queues would not.
    for id in queues.into_iter().take(1000) {
        assert_eq!(rig.claim_in(id, id.0.into(), 10, 60).batch.messages.len(), 10, "{id:?}");
    }
}

#[test]
fn a_file_of_a_release_that_knew_of_no_front_goes_on() {
    let mut rig = Rig::new();
    let places = post(&rig, &message(""), 0..200);
    let older = "DROP TABLE front; PRAGMA user_version = 4";
    rig.close();
    rusqlite::Connection::open(rig.path("pool.db")).unwrap().execute_batch(older).unwrap();
    rig.restart();
    assert_eq!(rig.claim(1, 20, 60), numbers(0..20));
    assert_eq!(blocks(&rig), (3, 1));
    rig.delete(&places[..64], Guard::Any);
    assert_eq!(rig.listed()[..2], numbers(64..66));
}
