//! What the conformance kit does not reach: bounds, accounts, indexes, export.

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::testing::{TestClock, call, host};
use sukkal_plugin_sdk::{
    Budget, Bytes, Call, ClaimId, Cursor, DeadLetterRule, Delete, ErrorKind, Header, Key, Lane, List, NewClaim,
    NewMessage, Open, Place, Pool as _, Post, QueueId, QueueRef, Release, Result, Timestamp, WatchChange,
};

use super::Pool;
use crate::settings::Settings;

const HOUR: Duration = Duration::from_secs(3600);
const BUDGET: Budget = Budget { items: 1000, time: Duration::from_secs(1) };

/// An open pool, its clock, and calls to it.
struct Bench {
    pool: Pool,
    clock: TestClock,
    call: Call,
}

impl Bench {
    async fn open(settings: Settings) -> Bench {
        let (host, clock) = host(std::path::Path::new("."));
        let open = Open { uri: "memory:".to_owned(), settings, host };
        let pool = Pool::open(open).await.expect("these settings are valid");
        Bench { pool, call: call(&clock), clock }
    }

    async fn queue(&self, id: u64, dead_letter: Option<DeadLetterRule>) -> QueueRef {
        let queue = QueueRef::from(QueueId(id));
        let header = Header { epoch: 1, label: "label".into(), dead_letter, ..Header::default() };
        self.pool.configure(&self.call, &queue, header).await.expect("there is room for a queue");
        queue
    }

    async fn post(&self, queue: &QueueRef, count: usize, body: &'static [u8]) -> Result<Vec<Place>> {
        let message = NewMessage { body: Bytes::from_static(body), ttl: HOUR, ..NewMessage::default() };
        let post = Post { client: "c".to_owned(), messages: vec![message; count], ..Post::default() };
        Ok(self.pool.post(&self.call, queue, post).await?.places)
    }

    async fn claim(&self, queue: &QueueRef, id: u128, limit: u32) -> Vec<Place> {
        let (ttl, grace) = (Duration::from_secs(60), Duration::from_secs(60));
        let claim = NewClaim { id: ClaimId(id), limit, ttl, grace, uncounted: false, extensions: Default::default() };
        let claimed = self.pool.claim(&self.call, queue, claim).await.expect("a claim goes on when the pool is full");
        claimed.batch.messages.iter().map(|message| message.place).collect()
    }

    async fn delete(&self, queue: &QueueRef, places: Vec<Place>) -> u32 {
        let delete = Delete { places, ..Delete::default() };
        self.pool.delete(&self.call, queue, delete).await.expect("a deletion goes on when the pool is full").count
    }

    async fn drop_queue(&self, queue: &QueueRef) {
        let dropped = QueueRef::new(queue.id(), 2, Bytes::new());
        let header = Header { epoch: 2, dropping: true, ..Header::default() };
        self.pool.configure(&self.call, &dropped, header).await.expect("a header can be replaced");
        while !self.pool.drop_queue(&self.call, &dropped, BUDGET).await.expect("it can be dropped").done {}
    }

    /// Holds every index of a queue against what is in it.
    fn check(&self, queue: &QueueRef) {
        self.pool.shared.visit_any(queue.id(), |visit| {
            visit.contents.lanes.iter().for_each(super::entries::Entries::check);
        });
    }

    /// Bytes and messages that the pool says it holds.
    fn held(&self) -> (u64, u64) {
        (self.pool.shared.room.bytes(), self.pool.shared.room.items())
    }

    /// Whether nothing is left in the pool, nor in what its queues share.
    fn is_clean(&self) -> bool {
        let shared = &self.pool.shared;
        let lanes = Lane::ALL.into_iter().all(|lane| {
            let mut dates = shared.agenda.lane(lane);
            dates.ready.is_empty() && dates.waking.take_due(Timestamp::MAX).is_none()
        });
        lanes && shared.agenda.sweeps().first().is_none() && shared.usage().queues == 0 && self.held() == (0, 0)
    }
}

#[tokio::test]
async fn a_full_pool_refuses_posts_and_nothing_else() {
    let bench = Bench::open(Settings { max_messages: 10, ..Settings::default() }).await;
    let queue = bench.queue(1, None).await;
    bench.post(&queue, 8, b"1").await.expect("there is room");
    let refused = bench.post(&queue, 3, b"1").await.map_err(|error| error.kind);
    assert_eq!(refused, Err(ErrorKind::Full));
    bench.post(&queue, 2, b"1").await.expect("the refused post took no room");
    let claimed = bench.claim(&queue, 1, 4).await;
    let listed = bench.pool.list(&bench.call, &queue, List { limit: 100, ..List::default() }).await;
    assert_eq!((claimed.len(), listed.map(|batch| batch.messages.len()).ok()), (4, Some(6)));
    assert_eq!(bench.delete(&queue, claimed).await, 4);
    bench.post(&queue, 4, b"1").await.expect("there is room again");
}

#[tokio::test]
async fn bytes_are_bounded_and_what_has_expired_makes_room() {
    let bench = Bench::open(Settings { max_bytes: 1024 * 1024, ..Settings::default() }).await;
    let queue = bench.queue(1, None).await;
    static BODY: [u8; 9 * 1024] = [b'1'; 9 * 1024];
    let mut posted = 0;
    let refused = loop {
        match bench.post(&queue, 1, &BODY).await {
            Ok(_) => posted += 1,
            Err(error) => break error.kind,
        }
    };
    assert_eq!((refused, posted), (ErrorKind::Full, 108));
    let other = QueueRef::from(QueueId(2));
    bench.clock.advance(2 * HOUR);
    bench.post(&queue, 50, &BODY).await.expect("what has expired makes room");
    bench.pool.configure(&bench.call, &other, Header { epoch: 1, ..Header::default() }).await.expect("for queues too");
}

#[tokio::test]
async fn queues_count_and_one_that_is_dropped_can_still_be_told() {
    let bench = Bench::open(Settings { max_bytes: 1024 * 1024, ..Settings::default() }).await;
    let mut made = 0;
    let header = Header { epoch: 1, ..Header::default() };
    while bench.pool.configure(&bench.call, &QueueRef::from(QueueId(made)), header.clone()).await.is_ok() {
        made += 1;
    }
    assert_eq!(made, 341);
    bench.drop_queue(&QueueRef::from(QueueId(made))).await;
    bench.drop_queue(&QueueRef::from(QueueId(0))).await;
    bench.drop_queue(&QueueRef::from(QueueId(1))).await;
    bench.queue(made, None).await;
}

#[tokio::test]
async fn after_all_kinds_of_work_the_accounts_come_to_nothing() {
    let bench = Bench::open(Settings::default()).await;
    let target = bench.queue(1, None).await;
    let rule = DeadLetterRule { queue: target.clone(), max_claims: 2, ttl: None };
    let queue = bench.queue(2, Some(rule)).await;
    let watched = WatchChange { add: vec![queue.clone()], ..WatchChange::default() };
    bench.pool.watch(&bench.call, watched).await.expect("it can be watched");
    let mut random = 12_345_u64;
    for step in 0..3000_u64 {
        // A linear congruence: the same work in every run.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        work(&bench, &queue, step, random >> 33).await;
        if step.is_multiple_of(64) {
            bench.check(&queue);
            bench.check(&target);
        }
    }
    bench.check(&queue);
    let moved = bench.pool.stats(&bench.call, &target).await.expect("it is there").free;
    assert!(moved > 0, "the work has not reached dead letters");
    bench.drop_queue(&queue).await;
    bench.drop_queue(&target).await;
    assert!(bench.is_clean(), "left: {:?}", bench.held());
}

async fn work(bench: &Bench, queue: &QueueRef, step: u64, random: u64) {
    let (pool, call) = (&bench.pool, &bench.call);
    match random % 8 {
        0..=2 => {
            let delay = if random.is_multiple_of(3) { Duration::from_secs(random % 300) } else { Duration::ZERO };
            let ttl = Duration::from_secs(random % 600);
            let message = NewMessage { body: "1".into(), ttl, delay, ..NewMessage::default() };
            let scope = format!("{}", random % 5);
            let key = Key { scope, key: "k".into(), fingerprint: "".into(), window: Duration::from_secs(random % 50) };
            let lane = Lane::from_code((random % 5) as u32);
            let post = Post {
                lane,
                client: format!("client {}", random % 7),
                messages: vec![message; (random % 20) as usize],
                outbox: random.is_multiple_of(4),
                key: (random.is_multiple_of(5)).then_some(key),
                ..Post::default()
            };
            pool.post(call, queue, post).await.expect("there is room");
        }
        3..=4 => drop(bench.claim(queue, u128::from(step), (random % 10) as u32 + 1).await),
        5 => {
            let delay = Duration::from_secs(random % 20);
            let release = Release { delay, uncounted: random.is_multiple_of(3), ..Release::default() };
            let claim = ClaimId(u128::from(step.saturating_sub(random % 9)));
            pool.claim_release(call, queue, claim, release).await.expect("a release is no error");
        }
        6 => {
            pool.pop(call, queue, (random % 4) as u32 + 1).await.expect("a pop is no error");
            bench.clock.advance(Duration::from_secs(random % 30));
        }
        _ => drop(pool.sweep(call, BUDGET).await),
    }
}

#[tokio::test]
async fn many_posts_and_deletes_leave_nothing() {
    let bench = Bench::open(Settings::default()).await;
    let queue = bench.queue(1, None).await;
    let empty = bench.held();
    for _ in 0..200 {
        let places = bench.post(&queue, 100, b"{\"some\": \"body\"}").await.expect("there is room");
        assert_eq!(bench.held().1, 100);
        assert_eq!(bench.delete(&queue, places).await, 100);
    }
    assert_eq!(bench.held(), empty);
}

#[tokio::test]
async fn an_exported_queue_is_the_same_elsewhere() {
    let (from, to) = (Bench::open(Settings::default()).await, Bench::open(Settings::default()).await);
    let (old, new) = (from.queue(1, None).await, to.queue(1, None).await);
    from.post(&old, 1000, b"1").await.expect("there is room");
    let message = NewMessage { body: "2".into(), ttl: HOUR, delay: HOUR / 2, ..NewMessage::default() };
    let post = Post { lane: Lane::Retry, messages: vec![message; 700], ..Post::default() };
    from.pool.post(&from.call, &old, post).await.expect("there is room");
    let claimed = from.claim(&old, 7, 600).await;
    from.delete(&old, claimed[..10].to_vec()).await;
    let mut cursor = Cursor::new();
    let mut pages = 0;
    loop {
        let page = from.pool.export(&from.call, &old, cursor).await.expect("it can be exported");
        for _ in 0..2 {
            to.pool.import(&to.call, &new, page.clone()).await.expect("a page can be taken in, and again");
        }
        pages += 1;
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(pages, 4);
    to.check(&new);
    assert_eq!(from.pool.usage(&from.call).await.map(|usage| usage.messages).ok(), Some(1690));
    let (mut stats, mut copy) = (from.pool.stats(&from.call, &old).await, to.pool.stats(&to.call, &new).await);
    for stats in [&mut stats, &mut copy] {
        stats.iter_mut().for_each(|stats| stats.now = Timestamp(0));
    }
    assert_eq!((stats.ok(), from.held().1), (copy.ok(), to.held().1));
    let claim = to.pool.claim_get(&to.call, &new, ClaimId(7)).await.ok().flatten();
    assert_eq!(claim.map(|claim| claim.messages.len()), Some(590));
    let next = [from.post(&old, 1, b"3").await.ok(), to.post(&new, 1, b"3").await.ok()];
    assert!(next[0].is_some() && next[0] == next[1], "{next:?}");
}

/// Queues come and go while others look at all of them: nobody waits for nobody.
#[test]
fn no_two_locks_are_taken_crosswise() {
    let bench = Arc::new(wait(Bench::open(Settings::default())));
    let (done, all) = std::sync::mpsc::channel();
    for worker in 0..6_u64 {
        let (bench, done) = (bench.clone(), done.clone());
        // Threads of their own: those that wait for each other cannot be ended, only left behind.
        std::thread::spawn(move || {
            (0..100).for_each(|round| wait(live_and_die(&bench, worker * 1000 + round)));
            done.send(())
        });
    }
    for _ in 0..6 {
        all.recv_timeout(Duration::from_secs(60)).expect("they do not wait for each other");
    }
    assert!(bench.is_clean(), "left: {:?}", bench.held());
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs nothing").block_on(future)
}

async fn live_and_die(bench: &Bench, id: u64) {
    let (pool, call) = (&bench.pool, &bench.call);
    // Lower ids and higher ones: both orders of the two locks of a move.
    let target = bench.queue(if id.is_multiple_of(2) { id } else { id + 200_000 }, None).await;
    let rule = DeadLetterRule { queue: target.clone(), max_claims: 1, ttl: None };
    let queue = bench.queue(id + 100_000, Some(rule)).await;
    let watched = WatchChange { add: vec![queue.clone()], ..WatchChange::default() };
    pool.watch(call, watched).await.expect("it can be watched");
    bench.post(&queue, 3, b"1").await.expect("there is room");
    bench.claim(&queue, u128::from(id), 2).await;
    pool.claim_release(call, &queue, ClaimId(u128::from(id)), Release::default()).await.expect("it is held");
    let seen = pool.queues(call, None, 1000).await.expect("they can be listed");
    assert!(seen.iter().any(|known| known.queue == queue));
    assert!(!pool.due(call, Lane::Main, None, 1000).await.expect("there is one").is_empty());
    bench.claim(&queue, u128::from(id) + (1 << 64), 1).await;
    pool.sweep(call, BUDGET).await.expect("it can be swept");
    assert_eq!(pool.stats(call, &target).await.expect("it is there").free, 2);
    bench.drop_queue(&queue).await;
    bench.drop_queue(&target).await;
    let change = WatchChange { remove: vec![queue.id()], ..WatchChange::default() };
    pool.watch(call, change).await.expect("it need not be there");
}
