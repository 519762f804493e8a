//! Outbox and retry: leases, fences, and where there is work.

use sukkal_plugin_sdk::{
    Batch, Delete, ErrorKind, Guard, Lane, Lease, Leased, List, NewMessage, Pool as _, Post, QueueId, Result,
};

use super::{QUEUE, Rig, bodies, call, message, queue, secs};

fn lease(rig: &Rig, lane: Lane, holder: &str, ttl: u64) -> Option<Leased> {
    let lease = Lease { lane, holder: holder.to_owned(), ttl: secs(ttl), extensions: Default::default() };
    rig.run(rig.pool().lane_lease(&call(), &queue(QUEUE, 1), lease)).unwrap()
}

fn list(rig: &Rig, lane: Lane, fence: Option<u64>) -> Result<Batch> {
    let list = List { lane, limit: 9, fence, ..List::default() };
    rig.run(rig.pool().list(&call(), &queue(QUEUE, 1), list))
}

fn due(rig: &Rig, lane: Lane) -> Vec<QueueId> {
    let known = rig.run(rig.pool().due(&call(), lane, None, 10)).unwrap();
    known.iter().map(|known| known.queue.id()).collect()
}

fn post_both(rig: &Rig, text: &str) {
    let messages = vec![message(text)];
    rig.post_all(Post { client: "client".to_owned(), messages, outbox: true, ..Post::default() }).unwrap();
}

#[test]
fn a_post_reaches_queue_and_outbox_under_one_place() {
    let rig = Rig::new();
    assert!(due(&rig, Lane::Outbox).is_empty());
    post_both(&rig, "a");
    assert_eq!(due(&rig, Lane::Outbox), [QUEUE]);
    assert!(due(&rig, Lane::Retry).is_empty());
    let fence = lease(&rig, Lane::Outbox, "one", 30).unwrap().fence;
    let entries = list(&rig, Lane::Outbox, Some(fence)).unwrap();
    let main = rig.list(List { limit: 9, ..List::default() });
    assert_eq!(entries.messages[0].place, main.messages[0].place);
    assert_eq!(entries.messages[0].lane, Lane::Outbox);
    assert_eq!(rig.stats(QUEUE).free, 1);
    rig.delete(&[main.messages[0].place], Guard::Any);
    assert_eq!(bodies(&list(&rig, Lane::Outbox, Some(fence)).unwrap()), ["a"]);
}

#[test]
fn an_older_fence_is_stale() {
    let rig = Rig::new();
    post_both(&rig, "a");
    let first = lease(&rig, Lane::Outbox, "one", 30).unwrap();
    assert_eq!(lease(&rig, Lane::Outbox, "two", 30), None);
    assert_eq!(lease(&rig, Lane::Outbox, "one", 30).unwrap().fence, first.fence);
    rig.clock.advance(secs(31));
    // Nobody has taken it yet.
    assert!(list(&rig, Lane::Outbox, Some(first.fence)).is_ok());
    let second = lease(&rig, Lane::Outbox, "two", 30).unwrap();
    assert!(second.fence > first.fence);
    let place = list(&rig, Lane::Outbox, Some(second.fence)).unwrap().messages[0].place;
    assert_eq!(list(&rig, Lane::Outbox, Some(first.fence)).unwrap_err().kind, ErrorKind::Stale);
    assert_eq!(list(&rig, Lane::Outbox, None).unwrap_err().kind, ErrorKind::Invalid);
    let delete = |fence| {
        let delete = Delete { lane: Lane::Outbox, places: vec![place], fence: Some(fence), ..Delete::default() };
        rig.run(rig.pool().delete(&call(), &queue(QUEUE, 1), delete))
    };
    assert_eq!(delete(first.fence).unwrap_err().kind, ErrorKind::Stale);
    let post = Post {
        lane: Lane::Retry,
        messages: vec![message("again")],
        settles: vec![(Lane::Outbox, place)],
        fence: Some(first.fence),
        ..Post::default()
    };
    assert_eq!(rig.post_all(post).unwrap_err().kind, ErrorKind::Stale);
    assert!(due(&rig, Lane::Retry).is_empty());
    assert_eq!(delete(second.fence).unwrap().count, 1);
    lease(&rig, Lane::Outbox, "two", 0);
    assert_eq!(list(&rig, Lane::Outbox, Some(second.fence)).unwrap_err().kind, ErrorKind::Stale);
    assert!(lease(&rig, Lane::Outbox, "two", 30).unwrap().fence > second.fence);
}

#[test]
fn a_retry_replaces_its_entry_in_one_step_and_is_due_later() {
    let rig = Rig::new();
    post_both(&rig, "a");
    let fence = lease(&rig, Lane::Outbox, "one", 300).unwrap().fence;
    let place = list(&rig, Lane::Outbox, Some(fence)).unwrap().messages[0].place;
    let again = NewMessage { delay: secs(10), ..message("again") };
    let post = Post {
        lane: Lane::Retry,
        messages: vec![again],
        settles: vec![(Lane::Outbox, place)],
        fence: Some(fence),
        ..Post::default()
    };
    rig.post_all(post).unwrap();
    assert!(due(&rig, Lane::Outbox).is_empty());
    assert!(due(&rig, Lane::Retry).is_empty());
    rig.clock.advance(secs(11));
    assert_eq!(due(&rig, Lane::Retry), [QUEUE]);
    let fence = lease(&rig, Lane::Retry, "one", 30).unwrap().fence;
    assert_eq!(bodies(&list(&rig, Lane::Retry, Some(fence)).unwrap()), ["again"]);
    assert_eq!(rig.listed(), ["a"]);
}

#[test]
fn queues_with_work_are_named_page_by_page() {
    let rig = Rig::new();
    let ids: Vec<QueueId> = [5, 1 << 63, 9].map(QueueId).to_vec();
    for id in &ids {
        rig.configure(*id, 1, None).unwrap();
        let post = Post { messages: vec![message("a")], outbox: true, ..Post::default() };
        rig.run(rig.pool().post(&call(), &queue(*id, 1), post)).unwrap();
    }
    let mut named = Vec::new();
    while let Some(known) = {
        let after = named.last().copied();
        rig.run(rig.pool().due(&call(), Lane::Outbox, after, 1)).unwrap().pop()
    } {
        assert_eq!(known.label, format!("label of {}", known.queue.id().0));
        named.push(known.queue.id());
    }
    assert_eq!(named, [5, 9, 1 << 63].map(QueueId));
}
