//! How fast the pool is by itself; run by hand: `cargo test --release -- --ignored speed --nocapture`.

use std::time::Instant;

use sukkal_plugin_sdk::tokio::runtime::Builder;
use sukkal_plugin_sdk::{ClaimId, Delete, Guard, NewClaim, NewMessage, Pool as _, Post};

use crate::settings::Settings;

use super::{QUEUE, Rig, call, queue, secs};

const FLIGHT: u128 = 64;
const POSTS: usize = 200_000;

fn kib() -> NewMessage {
    NewMessage { body: vec![b'1'; 1024].into(), ttl: secs(3600), ..NewMessage::default() }
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let page_size = std::env::var("PAGE_SIZE").ok().and_then(|size| size.parse().ok());
    let default = Settings::default();
    let rig = Rig::with(Settings { page_size: page_size.unwrap_or(default.page_size), ..default });
    for flight in [1, 16, FLIGHT] {
        let posts = if flight == 1 { POSTS / 20 } else { POSTS };
        let took = run(flight, |_| post(&rig, posts / flight as usize));
        println!("posts of 1 KiB, {flight} in flight: {:.0}/s", posts as f64 / took);
    }
    let took = run(FLIGHT, |worker| claim_and_delete(&rig, worker, 50));
    println!("claim(10) + delete(10), {FLIGHT} in flight: {:.0} pairs/s", FLIGHT as f64 * 50.0 / took);
    let took = run(16, |worker| claim_and_delete(&rig, worker + 100, 200));
    println!("claim(10) + delete(10), 16 in flight: {:.0} pairs/s", 16.0 * 200.0 / took);
}

fn run<F: Future<Output = ()> + Send>(flight: u128, work: impl Fn(u128) -> F) -> f64 {
    let started = Instant::now();
    let runtime = Builder::new_current_thread().build().unwrap();
    std::thread::scope(|_| {
        runtime.block_on(async {
            let mut all: Vec<_> = (0..flight).map(|worker| Box::pin(work(worker))).collect();
            std::future::poll_fn(|context| {
                all.retain_mut(|one| one.as_mut().poll(context).is_pending());
                if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
        });
    });
    started.elapsed().as_secs_f64()
}

async fn post(rig: &Rig, count: usize) {
    for _ in 0..count {
        let post = Post {
            client: "c1d2c3c4-0000-0000-0000-00000000abcd".to_owned(),
            messages: vec![kib()],
            ..Post::default()
        };
        rig.pool().post(&call(), &queue(QUEUE, 1), post).await.unwrap();
    }
}

async fn claim_and_delete(rig: &Rig, worker: u128, count: u128) {
    for number in 0..count {
        let id = ClaimId(worker << 64 | number | 1 << 100);
        let new = NewClaim {
            id,
            limit: 10,
            ttl: secs(300),
            grace: secs(60),
            uncounted: false,
            extensions: Default::default(),
        };
        let claimed = rig.pool().claim(&call(), &queue(QUEUE, 1), new).await.unwrap();
        let places: Vec<_> = claimed.batch.messages.iter().map(|message| message.place).collect();
        assert_eq!(places.len(), 10);
        let delete = Delete { places, guard: Guard::Claim(id), ..Delete::default() };
        assert_eq!(rig.pool().delete(&call(), &queue(QUEUE, 1), delete).await.unwrap().count, 10);
    }
}
