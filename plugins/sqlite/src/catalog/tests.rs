//! The catalog's promises, on the catalog itself.

use std::time::Duration;

use sukkal_plugin_sdk::testing::{TestClock, host};
use sukkal_plugin_sdk::tokio::runtime::{Builder, Runtime};
use sukkal_plugin_sdk::{
    Bytes, Call, Catalog as _, Change, Commit, ErrorKind, Expect, Extensions, Host, Open, Record, RecordKey, RequestId,
    Timestamp, Write,
};

use super::Catalog;
use crate::settings::Settings;

struct Rig {
    runtime: Runtime,
    clock: TestClock,
    host: Host,
    catalog: Option<Catalog>,
    _dir: tempfile::TempDir,
}

fn call() -> Call {
    Call::new(RequestId(1), "", Timestamp::MAX)
}

fn key(name: &str) -> RecordKey {
    RecordKey::new("queue", "p1", name)
}

fn put(name: &str, expect: Expect) -> Change {
    Change::put(key(name), expect, Bytes::copy_from_slice(name.as_bytes()))
}

fn short(name: &str, seconds: u64) -> Change {
    let expires_in = Some(Duration::from_secs(seconds));
    let write = Write::Put { value: Bytes::from_static(b"v"), expires_in, extensions: Extensions::new() };
    Change { key: key(name), expect: Expect::Any, write }
}

impl Rig {
    fn new() -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let (host, clock) = host(dir.path());
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut rig = Rig { runtime, clock, host, catalog: None, _dir: dir };
        rig.restart();
        rig
    }

    fn restart(&mut self) {
        self.catalog = None;
        let open = Open { uri: "sqlite:catalog.db".to_owned(), settings: Settings::default(), host: self.host.clone() };
        self.catalog = Some(self.runtime.block_on(Catalog::open(open)).unwrap());
    }

    fn catalog(&self) -> &Catalog {
        self.catalog.as_ref().unwrap()
    }

    fn commit(&self, changes: Vec<Change>) -> Commit {
        self.runtime.block_on(self.catalog().commit(&call(), changes)).unwrap()
    }

    fn get(&self, name: &str) -> Option<Record> {
        self.runtime.block_on(self.catalog().get(&call(), key(name))).unwrap()
    }

    fn list(&self, project: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let after = after.map(str::to_owned);
        let call = call();
        let list = self.catalog().list(&call, "queue".to_owned(), project.to_owned(), after, limit);
        self.runtime.block_on(list).unwrap().into_iter().map(|record| record.key.name).collect()
    }

    fn count(&self) -> u64 {
        self.runtime.block_on(self.catalog().count(&call(), "queue".to_owned(), "p1".to_owned())).unwrap()
    }

    fn sweep(&self, limit: u32) -> bool {
        self.runtime.block_on(self.catalog().sweep(&call(), limit)).unwrap()
    }
}

fn revision(commit: &Commit) -> u64 {
    match commit {
        Commit::Done(revisions) => revisions[0],
        Commit::Failed(_) => 0,
    }
}

#[test]
fn a_commit_happens_whole_or_not_at_all() {
    let rig = Rig::new();
    let first = rig.commit(vec![put("a", Expect::Absent), put("b", Expect::Absent)]);
    assert!(matches!(&first, Commit::Done(revisions) if revisions.len() == 2));
    assert_eq!(rig.commit(vec![put("c", Expect::Absent), put("a", Expect::Absent)]), Commit::Failed(1));
    assert_eq!(rig.list("p1", None, 10), ["a", "b"]);
    let old = revision(&first);
    let new = revision(&rig.commit(vec![put("a", Expect::Revision(old))]));
    assert!(new > old);
    assert_eq!(rig.commit(vec![put("a", Expect::Revision(old))]), Commit::Failed(0));
    let check = |expect| Change { key: key("a"), expect, write: Write::Check };
    assert_eq!(rig.commit(vec![check(Expect::Revision(new)), put("d", Expect::Any)]).clone(), {
        let record = rig.get("d").unwrap();
        Commit::Done(vec![new, record.revision])
    });
    assert_eq!(rig.commit(vec![Change::delete(key("a"), Expect::Any)]), Commit::Done(vec![0]));
    assert_eq!(rig.commit(vec![Change::delete(key("a"), Expect::Any)]), Commit::Done(vec![0]));
    assert!(revision(&rig.commit(vec![put("a", Expect::Absent)])) > new);
}

#[test]
fn too_many_changes_and_doubles_are_refused() {
    let rig = Rig::new();
    let many = (0..101).map(|number| put(&number.to_string(), Expect::Any)).collect();
    let refused = rig.runtime.block_on(rig.catalog().commit(&call(), many)).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::TooLarge);
    let twice = vec![put("a", Expect::Any), put("a", Expect::Any)];
    let refused = rig.runtime.block_on(rig.catalog().commit(&call(), twice)).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
}

#[test]
fn names_are_listed_bytewise_within_their_project() {
    let rig = Rig::new();
    let names = ["a", "B", "é", "a\0b", "", "Z", "a b", "\u{10ffff}"];
    for name in names {
        rig.commit(vec![put(name, Expect::Absent)]);
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(rig.list("p1", None, 100), sorted);
    assert_eq!(rig.list("p1", Some("a"), 2), ["a\0b", "a b"]);
    assert_eq!(rig.list("p1", Some("aa"), 2), ["é", "\u{10ffff}"]);
    assert!(rig.list("p2", None, 100).is_empty());
    assert_eq!(rig.count(), 8);
    assert_eq!(rig.get("a\0b").unwrap().value, &b"a\0b"[..]);
}

#[test]
fn an_expired_record_is_absent_to_everything() {
    let rig = Rig::new();
    let first = revision(&rig.commit(vec![short("s", 10)]));
    rig.commit(vec![short("t", 10), put("long", Expect::Any)]);
    assert!(rig.get("s").unwrap().expires.is_some());
    rig.clock.advance(Duration::from_secs(11));
    assert_eq!(rig.get("s"), None);
    assert_eq!(rig.list("p1", None, 10), ["long"]);
    assert_eq!(rig.count(), 1);
    assert_eq!(rig.commit(vec![put("s", Expect::Revision(first))]), Commit::Failed(0));
    assert!(revision(&rig.commit(vec![put("s", Expect::Absent)])) > first);
    assert_eq!(rig.count(), 2);
    assert!(rig.sweep(1));
    assert!(!rig.sweep(1));
    assert_eq!(rig.list("p1", None, 10), ["long", "s"]);
    assert_eq!(rig.count(), 2);
}

#[test]
fn records_outlive_a_restart_and_revisions_go_on() {
    let mut rig = Rig::new();
    let mut extensions = Extensions::new();
    extensions.set(9, Bytes::from_static(b"kept"));
    let write = Write::Put { value: Bytes::from_static(b"v"), expires_in: None, extensions: extensions.clone() };
    let first = revision(&rig.commit(vec![Change { key: key("a"), expect: Expect::Any, write }]));
    rig.restart();
    assert_eq!(rig.get("a").unwrap().extensions, extensions);
    rig.commit(vec![Change::delete(key("a"), Expect::Any)]);
    rig.restart();
    assert!(revision(&rig.commit(vec![put("a", Expect::Absent)])) > first);
    rig.runtime.block_on(rig.catalog().health(&call())).unwrap();
}
