//! Bodies whose messages are gone: nobody sees them, and their space is given back.

use sukkal_plugin_sdk::{Budget, Guard, List, NewMessage, Place, Pool as _, Post, QueueId};

use super::super::run::Run;
use super::super::snapshot::Snapshot;
use super::{QUEUE, Rig, bodies, call, message, queue, secs};
use crate::settings::Settings;

/// How many bodies lie in the file, and how many messages it should hold.
fn counts(rig: &Rig) -> (usize, u64) {
    // Those that are gone from a run that stays are empty.
    let n_bodies = rig.run(rig.pool().read(&call(), |snapshot| {
        let mut statement = snapshot.connection.prepare("SELECT heads, data FROM body")?;
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += Run::of_row(row)?.n_kept();
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

#[test]
fn bodies_of_deleted_messages_go_with_the_last_of_their_run() {
    let rig = Rig::new();
    // Two runs: 64 messages, and 16.
    let places = post(&rig, 80);
    rig.delete(&places[..40], Guard::Any);
    assert_eq!(counts(&rig), (80, 40));
    let read = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), places.clone())).unwrap();
    assert_eq!(read.messages.len(), 40);
    assert_eq!(rig.list(List { limit: 100, claimed: true, delayed: true, ..List::default() }).messages.len(), 40);
    assert_eq!(rig.delete(&places[..40], Guard::Any).count, 0);
    rig.delete(&places[40..65], Guard::Any);
    assert_eq!(counts(&rig), (16, 15), "the first run's are gone");
    assert_eq!(rig.pop(16).len(), 15);
    assert_eq!(counts(&rig), (0, 0));
}

#[test]
fn messages_of_several_queues_that_came_together_go_one_by_one() {
    let rig = Rig::new();
    let other = QueueId(3);
    rig.configure(other, 1, None).unwrap();
    let to = |id: QueueId, text: &str| {
        let post = Post { client: "c".to_owned(), messages: vec![message(text)], ..Post::default() };
        (queue(id, 1), post)
    };
    // However they fall into commits, at least half of each run goes.
    let queue_of = |number| if number % 4 == 3 { other } else { QUEUE };
    let posts: Vec<_> = (0..40).map(|number| to(queue_of(number), &number.to_string())).collect();
    let call = call();
    // Begun together, so that most of them meet in one commit.
    let mut posting: Vec<_> =
        posts.iter().map(|(id, post)| Box::pin(rig.pool().post(&call, id, post.clone()))).collect();
    rig.run(std::future::poll_fn(|context| {
        posting.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if posting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    }));
    drop(posting);
    assert_eq!(rig.pop(30).len(), 30);
    let left = bodies(&rig.claim_in(other, 1, 10, 60).batch);
    assert_eq!(left, (0..10).map(|number| (number * 4 + 3).to_string()).collect::<Vec<_>>());
    rig.clock.advance(secs(11));
    rig.settle();
    assert_eq!(counts(&rig), (10, 10));
    assert_eq!(bodies(&rig.claim_in(other, 1, 10, 60).batch), left);
}

#[test]
fn garbage_of_a_run_that_stays_goes_after_a_while() {
    let rig = Rig::new();
    let places = post(&rig, 60);
    let every_other: Vec<_> = places.iter().copied().step_by(2).collect();
    rig.delete(&every_other[1..], Guard::Any);
    rig.clock.advance(secs(11));
    rig.settle();
    assert_eq!(counts(&rig), (60, 31), "there is too little to gain");
    rig.delete(&every_other[..1], Guard::Any);
    rig.settle();
    assert_eq!(counts(&rig), (60, 30), "more may go soon");
    rig.clock.advance(secs(11));
    rig.settle();
    assert_eq!(counts(&rig), (30, 30));
    assert_eq!(rig.pop(100).len(), 30);
    assert_eq!(counts(&rig), (0, 0));
}

#[test]
fn garbage_is_known_after_a_restart() {
    let mut rig = Rig::new();
    let places = post(&rig, 10_000);
    let every_other: Vec<_> = places.iter().copied().step_by(2).collect();
    rig.delete(&every_other, Guard::Any);
    rig.restart();
    assert_eq!(counts(&rig), (10_000, 5000));
    rig.clock.advance(secs(11));
    assert!(rig.sweep().more, "it goes in steps");
    rig.settle();
    assert_eq!(counts(&rig), (5000, 5000));
    let left: Vec<_> = rig.list(List { limit: 10_000, ..List::default() }).messages.iter().map(|m| m.place).collect();
    assert_eq!(left, places.iter().copied().skip(1).step_by(2).collect::<Vec<_>>());
    rig.delete(&left, Guard::Any);
    assert_eq!(counts(&rig), (0, 0));
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
    let rig = Rig::new();
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
    let rig = Rig::new();
    for _ in 0..10 {
        rig.post_message(NewMessage { ttl: secs(60), ..message("short") });
        rig.post_message(NewMessage { ttl: secs(600), ..message("long") });
    }
    let mixed = [30, 300].map(|ttl| NewMessage { ttl: secs(ttl), ..message("mixed") });
    rig.post_all(Post { messages: mixed.to_vec(), ..Post::default() }).unwrap();
    rig.clock.advance(secs(61));
    rig.settle();
    assert_eq!(counts(&rig), (12, 11), "runs of a message each are gone");
    rig.clock.advance(secs(11));
    rig.settle();
    assert_eq!(counts(&rig), (11, 11));
    rig.clock.advance(secs(240));
    rig.settle();
    assert_eq!(counts(&rig), (10, 10));
    assert_eq!(rig.listed(), ["long"; 10]);
    assert_eq!(bodies(&rig.claim_in(QUEUE, 1, 20, 60).batch), ["long"; 10]);
}

#[test]
fn free_pages_go_back_to_the_disk_in_bounded_steps() {
    let rig = Rig::new();
    let pages = || -> i64 {
        let count =
            |snapshot: &Snapshot<'_>| Ok(snapshot.connection.query_row("PRAGMA page_count", [], |row| row.get(0))?);
        rig.run(rig.pool().read(&call(), count)).unwrap()
    };
    let long = NewMessage { ttl: secs(60), ..message(&"m".repeat(16 * 1024)) };
    for _ in 0..50 {
        rig.post_all(Post { messages: vec![long.clone(); 20], ..Post::default() }).unwrap();
    }
    let full = pages();
    assert!(full > 3 * 1024, "{full}");
    rig.clock.advance(secs(61));
    rig.settle();
    let mut before = pages();
    assert!(before > full - 1100, "there is more to give back than one step does");
    loop {
        rig.sweep();
        let now = pages();
        assert!(now >= before - 1100, "{before} to {now} in one step");
        if now == before {
            break;
        }
        before = now;
    }
    assert!(before < 1100, "{before} of {full}");
}
