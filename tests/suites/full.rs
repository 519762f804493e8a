//! A full store: nothing new is taken, nothing acknowledged is lost, and room made is used again.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use sukkal_tests::disk::SmallDisk;
use sukkal_tests::eventually::SOON;
use sukkal_tests::sqlite::reading;
use sukkal_tests::{Answer, Host, Queue, eventually, programs};

async fn post(queue: &Queue, number: usize) -> Answer {
    post_of(queue, number, 8_000).await
}

async fn post_of(queue: &Queue, number: usize, size: usize) -> Answer {
    let body = format!("{number:06}{}", "x".repeat(size));
    queue.client().post(&queue.path("/messages"), json!({ "messages": [{ "body": body, "ttl": 3600 }] })).await
}

/// Posts until the store is full; gives how many were acknowledged.
async fn fill(queue: &Queue, from: usize) -> usize {
    fill_with(queue, from, 8_000).await
}

/// Posts until not even a few bytes are taken; gives how many large messages were acknowledged, and how
/// many in all.
async fn fill_to_the_brim(queue: &Queue) -> (usize, usize) {
    let n_large = fill_with(queue, 0, 200_000).await;
    let mut n_messages = n_large;
    for size in [8_000, 1] {
        n_messages += fill_with(queue, n_messages, size).await;
    }
    (n_large, n_messages)
}

async fn fill_with(queue: &Queue, from: usize, size: usize) -> usize {
    for number in from..from + 10_000 {
        let answer = post_of(queue, number, size).await;
        match answer.status {
            201 => {}
            503 => {
                let text = answer.json()["description"].as_str().unwrap().to_owned();
                assert!(text.contains("space") || text.contains("room"), "the reason is told: {text}");
                return number - from;
            }
            other => panic!("a post to a full store is answered with {other}"),
        }
    }
    panic!("the store does not fill up");
}

async fn holds_to_its_promises(pool: &str) {
    let host = Host::with().top(&format!("default_pool = \"{pool}\"")).start().await;
    let queue = host.queue("q");
    let n_messages = fill(&queue, 0).await;
    assert!(n_messages > 10, "only {n_messages} messages fit");
    assert_eq!(queue.counts().await, [n_messages as u64, 0, n_messages as u64]);

    let claim = queue.claim(10).await;
    assert_eq!(claim.ids().len(), 10, "claims go on");
    let first = claim.bodies()[0].as_str().unwrap()[..6].to_owned();
    assert_eq!(first, "000000");
    for place in 0..10 {
        claim.delete(place).await.expect(204);
    }
    assert_eq!(queue.list("?echo=true").await.messages.len(), 10, "reads go on");

    while !queue.pop(10).await.is_empty() {}
    assert_eq!(queue.counts().await, [0, 0, 0]);
    eventually("what was freed can be used, without a restart", SOON, async || {
        (post(&queue, 0).await.status == 201).then_some(())
    })
    .await;
    let again = fill(&queue, 1).await;
    assert!(again + 1 >= n_messages / 2, "{n_messages} messages fitted at first, {again} when it was emptied");
}

#[tokio::test]
async fn a_full_sqlite_file_goes_on_with_all_but_posts() {
    holds_to_its_promises("sqlite:pool.db?max_mib=4").await;
}

#[tokio::test]
async fn a_full_memory_pool_goes_on_with_all_but_posts() {
    holds_to_its_promises("memory:?max_bytes=4000000").await;
}

/// Claims, renewals, releases, pops and deletes, which leave five messages less.
async fn work_goes_on(queue: &Queue, n_messages: usize) {
    assert_eq!(queue.counts().await, [n_messages as u64, 0, n_messages as u64]);
    let claim = queue.claim(10).await;
    assert_eq!(claim.ids().len(), 10, "claims go on");
    claim.renew(600).await.expect(204);
    for place in 0..2 {
        claim.delete(place).await.expect(204);
    }
    claim.release().await;
    assert_eq!(queue.pop(2).await.len(), 2, "pops go on");
    let listed = queue.list("?echo=true&limit=1").await;
    queue.delete(&listed.ids()[0]).await.expect(204);
    let left = n_messages as u64 - 5;
    assert_eq!(queue.counts().await, [left, 0, left]);
}

async fn a_full_disk_of(mib: u32) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), mib) else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let pool = disk.mount_point().join("pool.db");
    let mut host = Host::with().top(&format!("default_pool = \"sqlite:{}\"", pool.display())).start().await;
    let (n_large, n_messages) = fill_to_the_brim(&host.queue("q")).await;
    assert!(n_large > 5, "only {n_large} large messages fit");
    work_goes_on(&host.queue("q"), n_messages).await;
    host.kill();
    host.start_again().await;
    let queue = host.queue("q");
    work_goes_on(&queue, n_messages - 5).await;

    while !queue.pop(10).await.is_empty() {}
    assert_eq!(queue.counts().await, [0, 0, 0]);
    eventually("what was freed can be used, without a restart", SOON, async || {
        (post_of(&queue, 0, 200_000).await.status == 201).then_some(())
    })
    .await;
    let (n_large_again, n_again) = fill_to_the_brim(&queue).await;
    assert!(n_large_again >= n_large / 2, "{n_large} messages fitted at first, {n_large_again} when it was emptied");
    work_goes_on(&queue, n_again + 1).await;
    client_deletes_all(&queue).await;
}

#[tokio::test]
async fn a_limit_of_the_size_of_files_is_as_a_full_disk() {
    let host = Host::start().await;
    let process = Pid::from_raw(host.id().cast_signed());
    let limit =
        |current| prlimit(process, Resource::Fsize, Rlimit { current, maximum: None }).expect("a limit can be set");
    limit(Some(12 << 20));
    let queue = host.queue("q");
    let n_messages = fill(&queue, 0).await;
    assert!(n_messages > 10, "only {n_messages} messages fit");
    work_goes_on(&queue, n_messages).await;
    limit(None);
    eventually("there is room again, without a restart", SOON, async || {
        (post(&queue, 0).await.status == 201).then_some(())
    })
    .await;
}

async fn client_deletes_all(queue: &Queue) {
    queue.client().post(&queue.path("/purge"), json!({ "resource_types": ["messages"] })).await.expect(204);
    queue.client().delete(&queue.path("")).await.expect(204);
}

#[tokio::test]
async fn a_sqlite_pool_on_a_full_disk_goes_on_with_all_but_posts() {
    a_full_disk_of(40).await;
}

#[tokio::test]
async fn a_sqlite_pool_on_a_full_disk_that_its_log_would_fill_goes_on_with_all_but_posts() {
    a_full_disk_of(12).await;
}

#[tokio::test]
async fn a_sqlite_pool_on_a_larger_full_disk_goes_on_with_all_but_posts() {
    a_full_disk_of(120).await;
}

/// Another program takes all that is left of a disk.
fn others_fill(disk: &Path) {
    let mut file = File::options().append(true).create(true).open(disk.join("others")).expect("a file can be made");
    while file.write_all(&[0; 4096]).is_ok() {}
}

#[tokio::test]
async fn a_host_that_was_stopped_starts_again_on_a_disk_that_others_have_filled() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), 40) else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let disk = disk.mount_point();
    let stores = format!("catalog = \"sqlite:{0}/catalog.db\"\ndefault_pool = \"sqlite:{0}/pool.db\"", disk.display());
    let mut host = Host::with().top(&stores).start().await;
    host.queue("q").post((0..20).collect::<Vec<_>>()).await;
    others_fill(disk);
    for n_messages in [20, 15] {
        assert!(host.stop().await.success());
        others_fill(disk);
        host.start_again().await;
        work_goes_on(&host.queue("q"), n_messages).await;
    }
}

#[tokio::test]
async fn a_disk_full_of_a_log_that_another_program_holds_up_is_used_again_once_that_ends() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), 40) else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let pool = disk.mount_point().join("pool.db");
    let host =
        Host::with().top(&format!("default_pool = \"sqlite:{}?checkpoint_mib=1\"", pool.display())).start().await;
    let queue = host.queue("q");
    queue.post(["first"]).await;
    let reader = reading(&pool);
    let n_messages = 1 + fill_to_the_brim(&queue).await.1;
    let log = pool.with_extension("db-wal").metadata().expect("there is a log").len();
    assert!(log > 10 << 20, "the log is beyond its bound: {log}");
    drop(reader);
    work_goes_on(&queue, n_messages).await;
    eventually("room is given back", SOON, async || (post_of(&queue, 0, 200_000).await.status == 201).then_some(()))
        .await;
}

#[tokio::test]
async fn a_full_catalog_is_not_taken_for_a_pool() {
    let host = Host::with().top("catalog = \"sqlite:catalog.db?max_mib=1\"").start().await;
    let metadata = json!({ "text": "x".repeat(50_000) });
    let put = async |number: usize| host.client().put(&format!("/v2/queues/q{number}"), metadata.clone()).await;
    let mut number = 0;
    let told = loop {
        let answer = put(number).await;
        number += 1;
        match answer.status {
            201 => assert!(number < 100, "the catalog does not fill up"),
            _ => break answer.expect(503).text(),
        }
    };
    assert!(told.contains("no space is left") && told.contains("queues") && !told.contains("pool"), "{told}");
}

#[tokio::test]
async fn queues_can_be_deleted_from_a_catalog_in_memory_that_is_full() {
    let setup = Host::with().plugins([programs::library("sukkal-memory")]);
    let setup = setup.top("catalog = \"memory:\"\ndefault_pool = \"memory:\"");
    let host = setup.section("[plugins.memory]\nmax_records = 100").start().await;
    let client = host.client();
    let mut n_queues = 0;
    while client.put(&format!("/v2/queues/q{n_queues}"), json!({})).await.status == 201 {
        n_queues += 1;
    }
    assert!(n_queues > 10, "only {n_queues} queues fit");
    for number in 0..n_queues {
        client.delete(&format!("/v2/queues/q{number}")).await.expect(204);
    }
    eventually("there is room again", SOON, async || {
        (client.put("/v2/queues/q", json!({})).await.status == 201).then_some(())
    })
    .await;
}

async fn dead_letters_hold_nobody_up(pool: &str) {
    let host = Host::with().top(&format!("default_pool = \"{pool}\"")).start().await;
    let queue = host.queue("q");
    queue.create(json!({ "_max_claim_count": 1, "_dead_letter_queue": "dead" })).await;
    fill_to_the_brim(&queue).await;
    queue.claim(3).await.release().await;
    let next = queue.claim(1).await.bodies()[0].as_str().map(|body| body[..6].to_owned());
    assert_eq!(next.as_deref(), Some("000003"), "claims go on");
    // That makes room for the letters, of which each is a twentieth of the store.
    assert_eq!(queue.pop(5).await.len(), 5, "pops go on");
    let dead = host.queue("dead");
    eventually("dead letters are moved", SOON, async || (dead.counts().await[2] == 3).then_some(())).await;
}

#[tokio::test]
async fn dead_letters_of_a_full_sqlite_file_hold_nobody_up() {
    dead_letters_hold_nobody_up("sqlite:pool.db?max_mib=4").await;
}

#[tokio::test]
async fn dead_letters_of_a_full_memory_pool_hold_nobody_up() {
    dead_letters_hold_nobody_up("memory:?max_bytes=4000000").await;
}

#[tokio::test]
async fn a_full_store_has_lost_nothing_after_a_kill() {
    let mut host = Host::with().top("default_pool = \"sqlite:pool.db?max_mib=4\"").start().await;
    let n_messages = fill(&host.queue("q"), 0).await;
    host.kill();
    host.start_again().await;
    let queue = host.queue("q");
    let (mut seen, mut page) = (0, queue.list("?echo=true&limit=20").await);
    while !page.messages.is_empty() {
        for body in page.bodies() {
            assert_eq!(body.as_str().unwrap()[..6], format!("{seen:06}"));
            seen += 1;
        }
        page = queue.next(&page).await;
    }
    assert_eq!(seen, n_messages);
}

#[tokio::test]
async fn work_that_is_done_takes_no_room() {
    let host = Host::with().top("default_pool = \"memory:?max_bytes=1048576\"").start().await;
    let queue = host.queue("q");
    // Three thousand claims that live for hours would not fit, if each kept its room till its end.
    for _ in 0..150 {
        queue.post((0..20).collect::<Vec<_>>()).await;
        for _ in 0..20 {
            let claim = queue.claim_for(1, 43_200).await.expect("a message to claim");
            claim.delete(0).await.expect(204);
        }
    }
    assert_eq!(queue.counts().await, [0, 0, 0]);
}

async fn a_queue_that_finds_no_room_is_empty(pool: &str) {
    let host = Host::with().top(&format!("default_pool = \"{pool}\"")).start().await;
    fill_to_the_brim(&host.queue("q")).await;
    let mut number = 0;
    let refused = loop {
        let queue = host.queue(&format!("n{number}"));
        match host.client().put(&queue.path(""), json!({})).await.status {
            201 => number += 1,
            status => break status,
        }
    };
    assert_eq!(refused, 503);
    for _ in 0..2 {
        let told = post_of(&host.queue("posted"), 0, 1).await.expect(503).text();
        assert!(told.contains("space") || told.contains("room"), "the reason is told: {told}");
    }
    for name in [format!("n{number}"), "posted".to_owned()] {
        let queue = host.queue(&name);
        assert_eq!(queue.counts().await, [0, 0, 0]);
        assert!(queue.list("?echo=true").await.messages.is_empty());
        assert!(queue.try_claim(1).await.is_none());
        assert!(queue.pop(1).await.is_empty());
        let client = queue.client();
        client.post(&queue.path("/claims?wait=1"), json!({})).await.expect(204);
        client_deletes_all(&queue).await;
        let listed = client.get(&format!("/v2/queues?name={name}")).await.expect(200).json();
        assert_eq!(listed["queues"], json!([]), "it is deleted");
    }
    assert!(host.queue("q").counts().await[2] > 0, "others are as they were");
}

#[tokio::test]
async fn a_queue_that_finds_no_room_in_a_sqlite_file_is_empty() {
    a_queue_that_finds_no_room_is_empty("sqlite:pool.db?max_mib=4").await;
}

#[tokio::test]
async fn a_queue_that_finds_no_room_in_memory_is_empty() {
    a_queue_that_finds_no_room_is_empty("memory:?max_bytes=4000000").await;
}

#[tokio::test]
async fn an_audit_on_a_full_disk_loses_whole_lines_and_says_so_once() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), 1) else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let disk = disk.mount_point();
    let audit = format!("[filters.audit]\npath = \"{}/audit.jsonl\"", disk.display());
    let mut host = Host::with().top("pipeline = [\"audit\"]").section(&audit).start().await;
    let queue = host.queue("q");
    queue.post(["first"]).await;
    others_fill(disk);
    for _ in 0..100 {
        queue.counts().await;
    }
    let told = || (host.log().matches("audit lines are lost").count(), host.log().matches("written again").count());
    eventually("it is told", SOON, async || (told().0 > 0).then_some(())).await;
    std::fs::remove_file(disk.join("others")).expect("a file can be removed");
    eventually("lines are written again", SOON, async || {
        queue.counts().await;
        (told().1 > 0).then_some(())
    })
    .await;
    assert_eq!(told(), (1, 1), "{}", host.log());
    assert!(host.stop().await.success());
    let written = std::fs::read_to_string(disk.join("audit.jsonl")).expect("it can be read");
    for line in written.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(entry["status"].is_u64(), "{line}");
    }
}
