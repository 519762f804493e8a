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
    let of_env =
        |name: &str, default: u32| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default);
    let default = Settings::default();
    let rig = Rig::with(Settings {
        page_size: of_env("PAGE_SIZE", default.page_size),
        checkpoint_mib: of_env("CHECKPOINT_MIB", default.checkpoint_mib),
        ..default
    });
    for flight in [1, 16, FLIGHT] {
        let posts = if flight == 1 { POSTS / 20 } else { POSTS };
        measure(&format!("posts of 1 KiB, {flight} in flight"), posts, || {
            run(flight, |_| post(&rig, posts / flight as usize));
        });
    }
    for (flight, each) in [(FLIGHT, 100), (16, 400)] {
        measure(&format!("claim(10) + delete(10), {flight} in flight"), (flight * each) as usize, || {
            run(flight, |worker| claim_and_delete(&rig, worker + (flight << 32), each));
        });
    }
}

/// Does something, and prints what one of `count` operations cost. What a shared machine says of
/// rates is noise; processor time and bytes to the disk are not.
fn measure(what: &str, count: usize, work: impl FnOnce()) {
    let (cpu, written, started) = (cpu_ns(), written_bytes(), Instant::now());
    work();
    let per = |total: u64| total as f64 / 1000.0 / count as f64;
    println!(
        "{what}: {:.0}/s, {:.1} us of processor time (writer {:.1}), {:.1} KB written each",
        count as f64 / started.elapsed().as_secs_f64(),
        per(cpu_ns().0 - cpu.0),
        per(cpu_ns().1 - cpu.1),
        per(written_bytes() - written),
    );
}

/// Of all threads, and of the writer.
fn cpu_ns() -> (u64, u64) {
    let mut sum = (0, 0);
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let ns = read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
        sum.0 += ns;
        sum.1 += if read("comm").starts_with("sqlite-writer") { ns } else { 0 };
    }
    sum
}

fn written_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

fn run<F: Future<Output = ()> + Send>(flight: u128, work: impl Fn(u128) -> F) {
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
