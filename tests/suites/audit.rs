//! The audit where its file does not take lines: what is lost is told once and counted, and nobody waits for ever.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::Value;
use sukkal_tests::eventually::SOON;
use sukkal_tests::stores::MEMORY;
use sukkal_tests::{Host, Scrape, eventually};

/// How many lines the host has counted as written and as lost.
async fn counted(host: &Host) -> [f64; 2] {
    let scrape = Scrape::of(&host.pages(), "/metrics").await;
    ["written", "lost"].map(|what| scrape.sum(&format!("sukkal_plugin_audit_lines_{what}_total"), &[]))
}

/// A pipe that takes nothing more: a disk that stands still.
fn stuck(path: &Path) -> File {
    let made = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo can be run");
    assert!(made.success());
    // Who has both ends waits for nobody.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("it is a flag");
    let mut pipe = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).expect("it can be opened");
    // Whole pages, and then what is left of one.
    for piece in [&[b'\n'; 4096][..], b"\n"] {
        while pipe.write(piece).is_ok() {}
    }
    pipe
}

/// Everything that is in a pipe.
fn drain(pipe: &mut File, into: &mut Vec<u8>) {
    match pipe.read_to_end(into) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        outcome => panic!("a pipe that is held open has no end: {outcome:?}"),
    }
}

/// A host whose audit writes to a pipe that nobody reads.
async fn stuck_host(folder: &Path, timeout: u32) -> (Host, File) {
    let path = folder.join("pipe");
    let pipe = stuck(&path);
    let section = format!("[filters.audit]\npath = {path:?}\nbacklog = 1\ntimeout = {timeout}");
    (MEMORY.host().top("pipeline = [\"audit\"]").section(&section).start().await, pipe)
}

#[tokio::test]
async fn an_answer_that_waits_no_longer_for_the_disk_loses_its_line_and_it_is_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (mut host, mut pipe) = stuck_host(folder.path(), 1).await;
    let client = host.client();
    let mut n_requests = 0.0;
    eventually("a line is lost", SOON, async || {
        client.get("/v2/queues").await.expect(200);
        n_requests += 1.0;
        (counted(&host).await[1] > 0.0).then_some(())
    })
    .await;
    let log = host.log();
    assert_eq!(log.matches("audit lines are lost").count(), 1, "{log}");
    assert!(log.contains("timeout is over"), "{log}");
    let mut taken = Vec::new();
    eventually("it is told that lines are written again", SOON, async || {
        drain(&mut pipe, &mut taken);
        client.get("/v2/queues").await.expect(200);
        n_requests += 1.0;
        host.log().contains("audit lines are written again").then_some(())
    })
    .await;
    let written = eventually("each line is counted", SOON, async || {
        drain(&mut pipe, &mut taken);
        let [written, lost] = counted(&host).await;
        (written + lost == n_requests).then_some(written)
    })
    .await;
    assert!(host.stop().await.success());
    drain(&mut pipe, &mut taken);
    let lines = taken.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines: Vec<Value> = lines.map(|line| serde_json::from_slice(line).expect("a line is JSON")).collect();
    assert_eq!(lines.len() as f64, written);
}

#[tokio::test]
async fn a_ping_does_not_wait_for_a_disk_that_stands_still() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (mut host, mut pipe) = stuck_host(folder.path(), 60).await;
    let client = host.client();
    eventually("its line is lost", SOON, async || {
        client.get("/v2/ping").await.expect(204);
        (counted(&host).await[1] > 0.0).then_some(())
    })
    .await;
    let log = host.log();
    assert!(log.contains("a ping does not wait for it"), "{log}");
    drain(&mut pipe, &mut Vec::new());
    assert!(host.stop().await.success());
}

#[tokio::test]
async fn lines_for_a_file_that_is_gone_and_cannot_be_made_again_are_lost_and_counted() {
    let mut host = MEMORY.host().top("pipeline = [\"audit\"]").start().await;
    let client = host.client();
    let ask = async |due: [f64; 2]| {
        client.get("/v2/queues").await.expect(200);
        eventually("it is counted", SOON, async || (counted(&host).await == due).then_some(())).await;
    };
    let (path, moved) = (host.folder().join("data/audit.jsonl"), host.folder().join("moved"));
    ask([1.0, 0.0]).await;
    std::fs::rename(&path, &moved).expect("a file can be moved");
    // In a folder's place no file is made, whoever the host runs as.
    std::fs::create_dir(&path).expect("a folder can be made");
    ask([2.0, 0.0]).await;
    assert_eq!(std::fs::read_to_string(&moved).expect("it is there").lines().count(), 2);
    std::fs::remove_file(&moved).expect("a file can be removed");
    ask([2.0, 1.0]).await;
    ask([2.0, 2.0]).await;
    std::fs::remove_dir(&path).expect("a folder can be removed");
    ask([3.0, 2.0]).await;
    assert_eq!(std::fs::read_to_string(&path).expect("it is made anew").lines().count(), 1);
    let log = host.log();
    for told in ["moved away and cannot be made anew", "audit lines are lost", "is there again"] {
        assert_eq!(log.matches(told).count(), 1, "{told}: {log}");
    }
    assert!(host.stop().await.success());
}

#[tokio::test]
async fn what_a_kill_left_of_a_line_does_not_spoil_the_next() {
    let mut host = MEMORY.host().top("pipeline = [\"audit\"]").start().await;
    host.client().get("/v2/queues").await.expect(200);
    assert!(host.stop().await.success());
    let path = host.folder().join("data/audit.jsonl");
    let mut file = OpenOptions::new().append(true).open(&path).expect("the audit");
    file.write_all(b"{\"time\":1,\"cut").expect("it can be written");
    host.start_again().await;
    host.client().get("/v2/queues").await.expect(200);
    assert!(host.stop().await.success());
    let text = std::fs::read_to_string(&path).expect("the audit");
    let lines: Vec<_> = text.lines().map(|line| serde_json::from_str::<Value>(line).is_ok()).collect();
    assert_eq!(lines, [true, false, true], "{text}");
}
