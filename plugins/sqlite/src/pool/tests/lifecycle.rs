//! Epochs, restarts, purging, dropping, a full disk, a second opener, moving a queue.

use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::task::{Context, Waker};

use sukkal_plugin_sdk::{
    Budget, ClaimId, Cursor, ErrorKind, Guard, Header, List, NewMessage, Pool as _, Post, QueueId, Stats,
};

use super::{ALL, QUEUE, Rig, bodies, call, message, queue, secs};
use crate::settings::Settings;

#[test]
fn an_older_epoch_is_stale_and_an_unknown_queue_is_gone() {
    let rig = Rig::new();
    let kind = |id, epoch| rig.run(rig.pool().stats(&call(), &queue(id, epoch))).map_err(|error| error.kind);
    let post = |id, epoch| {
        let post = Post { messages: vec![message("a")], ..Post::default() };
        rig.run(rig.pool().post(&call(), &queue(id, epoch), post)).map_err(|error| error.kind).map(|_| ())
    };
    assert_eq!(post(QueueId(1), 1), Err(ErrorKind::Gone));
    rig.configure(QUEUE, 5, None).unwrap();
    rig.configure(QUEUE, 5, None).unwrap();
    assert_eq!(rig.configure(QUEUE, 4, None).unwrap_err().kind, ErrorKind::Stale);
    assert_eq!(post(QUEUE, 4), Err(ErrorKind::Stale));
    assert_eq!(kind(QUEUE, 4), Err(ErrorKind::Stale));
    // The caller knows of a change that has not reached the header.
    assert_eq!(post(QUEUE, 6), Err(ErrorKind::Gone));
    assert_eq!(post(QUEUE, 5), Ok(()));
    let header = Header { epoch: 6, dropping: true, ..Header::default() };
    rig.run(rig.pool().configure(&call(), &queue(QUEUE, 6), header)).unwrap();
    assert_eq!(post(QUEUE, 6), Err(ErrorKind::Gone));
    assert_eq!(kind(QUEUE, 6), Err(ErrorKind::Gone));
}

#[test]
fn everything_goes_on_after_a_restart() {
    let mut rig = Rig::new();
    let places = rig.post(&["a", "b", "c"]);
    rig.post_message(NewMessage { delay: secs(30), ..message("later") });
    rig.claim(1, 1, 60);
    rig.delete(&places[1..], Guard::Any);
    rig.restart();
    assert!(rig.listed().is_empty());
    let next = rig.post(&["d"])[0];
    assert!(next > places[2]);
    rig.delete(&[next], Guard::Any);
    rig.restart();
    assert!(rig.post(&["e"])[0] > next);
    let claim = rig.run(rig.pool().claim_get(&call(), &queue(QUEUE, 1), ClaimId(1))).unwrap().unwrap();
    assert_eq!(claim.messages[0].place, places[0]);
    rig.clock.advance(secs(31));
    assert_eq!(rig.listed(), ["later", "e"]);
    rig.clock.advance(secs(31));
    assert_eq!(rig.listed(), ["a", "later", "e"]);
    let stats = rig.stats(QUEUE);
    assert_eq!((stats.free, stats.claimed), (3, 0));
}

#[test]
fn a_pool_that_is_shut_down_commits_what_it_has_accepted_and_gives_its_file_to_the_next() {
    let rig = Rig::new();
    rig.post(&["a"]);
    let ((begins, begun), (go, goes)) = (channel(), channel::<()>());
    let (call, queue) = (call(), queue(QUEUE, 1));
    let mut held_up = pin!(rig.pool().write(&call, 0, move |_| {
        let _ = begins.send(());
        let _ = goes.recv();
        Ok(())
    }));
    assert!(waits(held_up.as_mut()));
    begun.recv().unwrap();
    let accepted = Post { messages: vec![message("b")], ..Post::default() };
    let mut accepted = pin!(rig.pool().post(&call, &queue, accepted));
    assert!(waits(accepted.as_mut()));
    let mut end = pin!(rig.pool().shutdown());
    assert!(waits(end.as_mut()), "nor does it hold the thread of whoever asks for it");
    drop(go);
    rig.run(async {
        held_up.await.unwrap();
        accepted.await.unwrap();
        end.await;
    });
    let refused = rig.post_all(Post { messages: vec![message("c")], ..Post::default() });
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Unavailable);
    // The first is not dropped yet.
    let next = rig.open().unwrap();
    let listed = rig.run(next.list(&call, &queue, List { limit: 10, ..List::default() })).unwrap();
    assert_eq!(bodies(&listed), ["a", "b"]);
}

/// Whether something is not done at once.
fn waits(future: Pin<&mut impl Future>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[test]
fn a_purge_takes_messages_and_claims_in_steps() {
    let rig = Rig::new();
    for _ in 0..10 {
        rig.post(&["x"; 100]);
    }
    rig.claim(1, 20, 60);
    let budget = Budget { items: 128, time: secs(1) };
    let mut steps = 0;
    let mut count = 0;
    loop {
        let step = rig.run(rig.pool().purge(&call(), &queue(QUEUE, 1), budget)).unwrap();
        steps += 1;
        count += step.count;
        assert!(step.count <= 128, "{}", step.count);
        if step.done {
            break;
        }
    }
    assert_eq!(count, 1000);
    assert!(steps >= 8);
    let stats = rig.stats(QUEUE);
    assert_eq!(stats, Stats { now: stats.now, ..Stats::default() });
    assert!(rig.run(rig.pool().claim_get(&call(), &queue(QUEUE, 1), ClaimId(1))).unwrap().is_none());
    rig.post(&["new"]);
    assert_eq!(rig.claim(1, 5, 60), ["new"]);
}

#[test]
fn a_dropped_queue_leaves_nothing_to_the_next_one_in_its_slot() {
    let rig = Rig::new();
    let post = Post { messages: vec![message("a"); 200], outbox: true, ..Post::default() };
    rig.post_all(post).unwrap();
    rig.claim(1, 5, 60);
    let drop = |epoch| rig.run(rig.pool().drop_queue(&call(), &queue(QUEUE, epoch), Budget { items: 100, ..ALL }));
    assert!(drop(1).unwrap().done, "it is not being dropped");
    assert_eq!(drop(2).unwrap_err().kind, ErrorKind::Gone);
    assert_eq!(rig.stats(QUEUE).free, 195);
    let header = Header { epoch: 2, dropping: true, ..Header::default() };
    rig.run(rig.pool().configure(&call(), &queue(QUEUE, 2), header)).unwrap();
    assert!(drop(1).unwrap().done, "a newer header");
    let mut count = 0;
    loop {
        let step = drop(2).unwrap();
        count += step.count;
        assert!(step.count <= 100);
        if step.done {
            break;
        }
    }
    assert_eq!(count, 400);
    assert!(drop(2).unwrap().done);
    let usage = rig.run(rig.pool().usage(&call())).unwrap();
    assert_eq!((usage.queues, usage.messages), (0, 0));
    rig.configure(QueueId(1), 1, None).unwrap();
    assert_eq!(rig.stats(QueueId(1)).free, 0);
    let known = rig.run(rig.pool().queues(&call(), None, 10)).unwrap();
    assert_eq!(known.iter().map(|known| known.queue.id()).collect::<Vec<_>>(), [QueueId(1)]);
}

#[test]
fn a_full_file_refuses_posts_and_goes_on_reading_and_deleting() {
    let rig = Rig::with(Settings { max_mib: 1, ..Settings::default() });
    let large = "x".repeat(10_000);
    let post = || {
        let post = Post { messages: vec![message(&large)], ..Post::default() };
        rig.post_all(post)
    };
    let mut places = Vec::new();
    let full = loop {
        match post() {
            Ok(posted) => places.extend(posted.places),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind, ErrorKind::Full);
    assert!(places.len() > 50);
    assert_eq!(rig.stats(QUEUE).free, places.len() as u64);
    assert_eq!(rig.list(List { limit: 3, ..List::default() }).messages.len(), 3);
    assert_eq!(rig.claim(1, 2, 60).len(), 2);
    assert_eq!(rig.delete(&places[..10], Guard::Any).count, 10);
    let posted = post().unwrap();
    // The place of a post that failed is given to the next: nobody has seen it.
    assert!(posted.places[0] > places[places.len() - 1]);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let mut rig = Rig::new();
    let Err(refused) = rig.open() else { panic!("opened twice") };
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(refused.message.contains("pool.db") && refused.message.contains(&std::process::id().to_string()));
    rig.restart();
}

#[test]
fn a_deadline_that_has_passed_is_an_error_of_its_own() {
    let rig = Rig::new();
    let late = sukkal_plugin_sdk::Call::new(sukkal_plugin_sdk::RequestId(1), "", rig.now());
    let post = Post { messages: vec![message("a")], ..Post::default() };
    let refused = rig.run(rig.pool().post(&late, &queue(QUEUE, 1), post)).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::TimedOut);
    let refused = rig.run(rig.pool().stats(&late, &queue(QUEUE, 1))).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::TimedOut);
    assert!(rig.listed().is_empty());
}

#[test]
fn a_queue_is_exported_and_made_the_same_elsewhere() {
    let rig = Rig::new();
    for _ in 0..6 {
        let post = Post { client: "c".to_owned(), messages: vec![message("x"); 100], outbox: true, ..Post::default() };
        rig.post_all(post).unwrap();
    }
    rig.post_message(NewMessage { delay: secs(30), ..message("later") });
    rig.claim(1, 3, 60);
    let other = Rig::new();
    let mut from = Cursor::new();
    loop {
        let page = rig.run(rig.pool().export(&call(), &queue(QUEUE, 1), from)).unwrap();
        let next = page.next.clone();
        for _ in 0..2 {
            other.run(other.pool().import(&call(), &queue(QUEUE, 1), page.clone())).unwrap();
        }
        let Some(next) = next else { break };
        from = next;
    }
    let all = || List { limit: 1000, claimed: true, delayed: true, ..List::default() };
    assert_eq!(other.list(all()).messages, rig.list(all()).messages);
    let (here, there) = (rig.stats(QUEUE), other.stats(QUEUE));
    assert_eq!((here.free, here.claimed), (there.free, there.claimed));
    let claim = other.run(other.pool().claim_get(&call(), &queue(QUEUE, 1), ClaimId(1))).unwrap().unwrap();
    assert_eq!(claim.messages.len(), 3);
    assert_eq!(rig.post(&["n"]), other.post(&["n"]));
    assert_eq!(bodies(&other.list(List { limit: 1, ..List::default() })), ["x"]);
    let usage = |rig: &Rig| rig.run(rig.pool().usage(&call())).unwrap().messages;
    assert_eq!(usage(&rig), usage(&other));
}

#[test]
fn health_names_what_to_look_after() {
    let rig = Rig::with(Settings { synchronous: crate::settings::Synchronous::Normal, ..Settings::default() });
    let health = rig.run(rig.pool().health(&call())).unwrap();
    assert!(health.warnings.iter().any(|warning| warning.contains("synchronous")));
    let stated = rig.pool().capabilities();
    assert!(!stated.durability && stated.is_kept());
}

#[test]
fn the_log_stays_bounded_under_constant_reading() {
    let settings = Settings { checkpoint_mib: 1, ..Settings::default() };
    let rig = Rig::with(settings);
    let large = "x".repeat(50_000);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        let (pool, stop) = (rig.pool(), &stop);
        for _ in 0..3 {
            scope.spawn(move || {
                let runtime = sukkal_plugin_sdk::tokio::runtime::Builder::new_current_thread().build().unwrap();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let list = List { limit: 50, ..List::default() };
                    runtime.block_on(pool.list(&call(), &queue(QUEUE, 1), list)).unwrap();
                }
            });
        }
        let mut longest = 0;
        for _ in 0..100 {
            rig.post(&[large.as_str(); 10]);
            longest = longest.max(rig.file("pool.db-wal").len());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        longest
    });
    assert!(longest < 12 << 20, "{longest}");
}
