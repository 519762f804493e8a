//! The last block of a queue, which lies with its counts.

use sukkal_plugin_sdk::{Guard, NewMessage, Place, Pool as _, Post, QueueId};

use super::super::block::Block;
use super::{QUEUE, Rig, bodies, call, message, queue, secs};
use crate::settings::{Settings, Synchronous};

/// Of each block in the file that is not empty, whether it is open.
fn open(rig: &Rig) -> Vec<bool> {
    let read = |snapshot: &super::super::snapshot::Snapshot<'_>| {
        let sql = "SELECT 0, data FROM block UNION ALL SELECT 1, open FROM tally";
        let mut statement = snapshot.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut blocks = Vec::new();
        while let Some(row) = rows.next()? {
            let block = Block::decode(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
            if !block.entries().is_empty() {
                blocks.push(row.get(0)?);
            }
        }
        Ok(blocks)
    };
    rig.run(rig.pool().read(&call(), read)).unwrap()
}

fn post(rig: &Rig, like: &NewMessage, count: usize) -> Vec<Place> {
    let post = Post { client: "c".to_owned(), messages: vec![like.clone(); count], ..Post::default() };
    rig.post_all(post).unwrap().places
}

#[test]
fn the_last_block_alone_is_open() {
    let mut rig = Rig::new();
    let first = post(&rig, &message("m"), 10);
    assert_eq!(open(&rig), [true]);
    post(&rig, &message("m"), 150);
    assert_eq!(open(&rig), [false, false, true]);
    rig.delete(&first, Guard::Any);
    rig.restart();
    let over = post(&rig, &message("m"), 50);
    assert_eq!(open(&rig), [false, false, false, true]);
    rig.delete(&over, Guard::Any);
    assert_eq!(open(&rig), [false, false, false], "what it held is gone");
    post(&rig, &message("m"), 1);
    assert_eq!(open(&rig), [false, false, false, true]);
}

#[test]
fn pages_that_come_from_elsewhere_leave_the_last_block_open() {
    let (from, to) = (Rig::new(), Rig::new());
    post(&from, &message("m"), 600);
    let page = from.run(from.pool().export(&call(), &queue(QUEUE, 1), Default::default())).unwrap();
    let rest = from.run(from.pool().export(&call(), &queue(QUEUE, 1), page.next.clone().unwrap())).unwrap();
    // In any order: blocks of the past come after those of later places.
    for page in [rest, page] {
        to.run(to.pool().import(&call(), &queue(QUEUE, 1), page)).unwrap();
    }
    let blocks = open(&to);
    assert_eq!((blocks.len(), blocks.iter().filter(|open| **open).count()), (10, 1));
    assert_eq!(blocks.last(), Some(&true));
    assert_eq!(to.stats(QUEUE).free, 600);
    post(&to, &message("m"), 64);
    assert_eq!(open(&to).iter().filter(|open| **open).count(), 1);
}

#[test]
fn what_lies_in_it_falls_due_as_elsewhere() {
    for n_before in [0, 100] {
        let mut rig = Rig::new();
        post(&rig, &message("m"), n_before);
        rig.delete(&(1..=n_before as u64).map(Place).collect::<Vec<_>>(), Guard::Any);
        post(&rig, &NewMessage { ttl: secs(60), ..message("short") }, 1);
        post(&rig, &NewMessage { delay: secs(90), ..message("late") }, 1);
        post(&rig, &message("held"), 1);
        assert_eq!(rig.claim(1, 2, 120), ["short", "held"]);
        rig.restart();
        assert!(rig.listed().is_empty());
        rig.clock.advance(secs(91));
        assert_eq!(rig.listed(), ["late"]);
        let stats = rig.stats(QUEUE);
        assert_eq!((stats.free, stats.claimed), (1, 2), "the claim kept the short one alive");
        rig.clock.advance(secs(30));
        assert!(rig.sweep().freed >= 1);
        rig.restart();
        assert_eq!(rig.claim(2, 5, 60), ["short", "late", "held"]);
        rig.clock.advance(secs(4000));
        rig.settle();
        assert!(open(&rig).is_empty());
        assert_eq!(rig.stats(QUEUE).free, 0);
    }
}

#[test]
fn queues_beyond_those_in_memory_go_on_where_they_were() {
    let rig = Rig::with(Settings { synchronous: Synchronous::Normal, ..Settings::default() });
    // More than there are blocks in memory, fewer than there are queues.
    let queues = || (1..=1500).map(QueueId);
    queues().for_each(|id| rig.configure(id, 1, None).unwrap());
    for text in ["first", "second"] {
        for id in queues() {
            let post = Post { client: "c".to_owned(), messages: vec![message(text)], ..Post::default() };
            rig.run(rig.pool().post(&call(), &queue(id, 1), post)).unwrap();
        }
    }
    for id in queues() {
        assert_eq!(rig.stats(id).free, 2);
        assert_eq!(bodies(&rig.claim_in(id, id.0.into(), 10, 60).batch), ["first", "second"]);
    }
}
