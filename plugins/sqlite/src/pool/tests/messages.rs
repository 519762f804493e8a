//! Posting, listing, reading, deleting, popping.

use sukkal_plugin_sdk::{
    Bytes, ClaimId, Extensions, Guard, List, NewClaim, NewMessage, Place, Pool as _, Post, Refused,
};

use super::{QUEUE, Rig, bodies, call, message, queue, secs};

#[test]
fn messages_are_read_in_the_order_posted_page_by_page() {
    let rig = Rig::new();
    rig.post(&["a", "b"]);
    let texts: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    rig.post(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut read = Vec::new();
    let mut after = None;
    loop {
        let page = rig.list(List { after, limit: 7, ..List::default() });
        read.extend(bodies(&page));
        after = page.messages.last().map(|message| message.place);
        if page.messages.len() < 7 {
            break;
        }
    }
    assert_eq!(read[..3], ["a", "b", "0"]);
    assert_eq!(read[2..], texts);
}

#[test]
fn a_marker_holds_when_its_message_is_gone() {
    let rig = Rig::new();
    let places = rig.post(&["a", "b", "c", "d"]);
    rig.delete(&places[..2], Guard::Any);
    let page = rig.list(List { after: Some(places[1]), limit: 1, ..List::default() });
    assert_eq!(bodies(&page), ["c"]);
    for after in [Place(u64::MAX), Place(1 << 40), places[3]] {
        assert!(rig.list(List { after: Some(after), limit: 1, ..List::default() }).messages.is_empty());
    }
}

#[test]
fn everything_that_was_stored_is_given_back() {
    let rig = Rig::new();
    let mut extensions = Extensions::new();
    extensions.set(2000, Bytes::from_static(b"\0kept"));
    let stored = NewMessage { extensions: extensions.clone(), ttl: secs(77), ..message("\"a\\u0000b\"") };
    let place = rig.post_message(stored);
    let read = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), vec![place])).unwrap();
    let read = &read.messages[0];
    assert_eq!(read.body, &b"\"a\\u0000b\""[..]);
    assert_eq!(read.extensions, extensions);
    assert_eq!(read.client, "client");
    assert_eq!(read.ttl, secs(77));
    assert_eq!(read.expires, read.posted.after(secs(77)));
    assert_eq!((read.claim, read.claims), (None, 0));
}

#[test]
fn reads_by_place_keep_the_order_asked_and_give_each_once() {
    let rig = Rig::new();
    let places = rig.post(&["a", "b", "c"]);
    rig.claim(1, 1, 60);
    let asked = vec![places[2], places[0], places[2], Place(99), Place(u64::MAX)];
    let read = rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), asked)).unwrap();
    assert_eq!(bodies(&read), ["c", "a"]);
    assert_eq!(read.messages[1].claim, Some(ClaimId(1)));
}

#[test]
fn places_that_cannot_be_reach_no_other_queue() {
    let rig = Rig::new();
    let other = sukkal_plugin_sdk::QueueId(3);
    rig.configure(other, 1, None).unwrap();
    let post = Post { client: "client".to_owned(), messages: vec![message("secret")], ..Post::default() };
    let places = rig.run(rig.pool().post(&call(), &queue(other, 1), post)).unwrap().places;
    for shift in [40, 41, 42, 43] {
        let place = Place(places[0].0 | 1 << shift);
        assert!(rig.run(rig.pool().get(&call(), &queue(QUEUE, 1), vec![place])).unwrap().messages.is_empty());
        assert_eq!(rig.delete(&[place], Guard::Any).count, 0);
    }
    assert!(rig.listed().is_empty());
    assert_eq!(rig.stats(other).free, 1);
}

#[test]
fn a_listing_leaves_out_the_readers_own() {
    let rig = Rig::new();
    for (client, text) in [("me", "1"), ("other", "2"), ("me", "3"), ("other", "4")] {
        let post = Post { client: client.to_owned(), messages: vec![message(text)], ..Post::default() };
        rig.post_all(post).unwrap();
    }
    let list = List { limit: 2, not_from: Some("me".to_owned()), ..List::default() };
    assert_eq!(bodies(&rig.list(list)), ["2", "4"]);
}

#[test]
fn deletions_keep_to_their_guard_all_or_none() {
    let rig = Rig::new();
    let places = rig.post(&["a", "b", "c", "d"]);
    rig.claim(1, 2, 60);
    rig.claim(2, 1, 60);
    let refused = |guard, places: &[Place]| rig.delete(places, guard).refused;
    assert_eq!(refused(Guard::Unclaimed, &[places[3], places[0]]), Some(Refused::Claimed));
    assert_eq!(refused(Guard::Claim(ClaimId(1)), &[places[0], places[3]]), Some(Refused::NotClaimed));
    assert_eq!(refused(Guard::Claim(ClaimId(2)), &[places[0]]), Some(Refused::OtherClaim));
    assert_eq!(refused(Guard::Claim(ClaimId(9)), &[places[0]]), Some(Refused::ClaimGone));
    let both = || Guard::EachClaimedBy(vec![ClaimId(1), ClaimId(2)]);
    assert_eq!(refused(both(), &places), Some(Refused::NotClaimed));
    assert_eq!(rig.stats(QUEUE).claimed, 3);
    assert_eq!(rig.delete(&[places[0], places[0], Place(50)], Guard::Claim(ClaimId(1))).count, 1);
    assert_eq!(rig.delete(&[places[1], places[2]], both()).count, 2);
    assert_eq!(rig.delete(&places, Guard::Unclaimed).count, 1);
    let stats = rig.stats(QUEUE);
    assert_eq!((stats.free, stats.claimed, stats.oldest), (0, 0, None));
}

#[test]
fn a_pop_takes_the_oldest_and_no_claimed_ones() {
    let rig = Rig::new();
    rig.post(&["a", "b", "c", "d"]);
    rig.claim(1, 1, 60);
    assert_eq!(rig.pop(2), ["b", "c"]);
    assert_eq!(rig.pop(5), ["d"]);
    assert!(rig.pop(5).is_empty());
    assert_eq!(rig.stats(QUEUE).claimed, 1);
}

#[test]
fn statistics_name_the_ends_of_the_queue() {
    let rig = Rig::new();
    let places = rig.post(&["a", "b", "c"]);
    rig.claim(1, 1, 60);
    let stats = rig.stats(QUEUE);
    assert_eq!((stats.free, stats.claimed), (2, 1));
    assert_eq!(stats.oldest.map(|spot| spot.place), Some(places[0]));
    assert_eq!(stats.newest.map(|spot| spot.place), Some(places[2]));
    let usage = rig.run(rig.pool().usage(&call())).unwrap();
    assert_eq!((usage.queues, usage.messages), (1, 3));
}

#[test]
fn many_threads_claim_each_message_once() {
    let rig = Rig::new();
    let texts: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    rig.post(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let claimer = |thread: u128| {
        let pool = rig.pool();
        async move {
            let mut got = Vec::new();
            for number in 0.. {
                let id = ClaimId(thread << 64 | number);
                let new = NewClaim {
                    id,
                    limit: 7,
                    ttl: secs(60),
                    grace: secs(60),
                    uncounted: false,
                    extensions: Extensions::new(),
                };
                let claimed = pool.claim(&call(), &queue(QUEUE, 1), new).await.unwrap();
                if claimed.batch.messages.is_empty() {
                    return got;
                }
                got.extend(bodies(&claimed.batch));
            }
            got
        }
    };
    let mut all: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=8)
            .map(|thread| {
                let work = claimer(thread);
                scope.spawn(|| {
                    sukkal_plugin_sdk::tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(all, texts);
}
