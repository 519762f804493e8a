//! What the writer does with work that fails.

use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Waker};

use sukkal_plugin_sdk::testing::host;
use sukkal_plugin_sdk::tokio::runtime::Builder;
use sukkal_plugin_sdk::{ErrorKind, RequestId};

use super::*;

/// The file, and whether the ledger breaks with the next commit.
struct Numbers(Connection, bool);

impl Ledger for Numbers {
    fn connection(&self) -> &Connection {
        &self.0
    }

    fn begun(&mut self) {}

    fn at(&mut self, _now: Timestamp) {}

    fn flush(&mut self) -> Outcome<()> {
        Ok(())
    }

    fn committed(&mut self) {
        assert!(!self.1, "on purpose");
    }

    fn forget(&mut self) {}

    fn idle(&mut self, _now: Timestamp) -> Option<Duration> {
        None
    }
}

/// The writer, its thread, and what holds its file.
fn numbers(waiting: usize) -> (Writer<Numbers>, (Thread, tempfile::TempDir)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("n.db");
    let mut connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE n (n INTEGER PRIMARY KEY)").unwrap();
    let file = crate::reserve::open(&path).unwrap();
    let wal = Wal::watch(&mut connection, &path, file, &crate::settings::Settings::default()).unwrap();
    let presence = Presence::of(&path).unwrap();
    let host = host(dir.path()).0;
    let (writer, thread) = Writer::start(Numbers(connection, false), host, wal, presence, "pool", waiting).unwrap();
    (writer, (thread, dir))
}

fn call() -> Call {
    Call::new(RequestId(1), "", Timestamp::MAX)
}

fn insert(number: i64) -> impl FnMut(&mut Numbers) -> Outcome<()> + Send + 'static {
    move |numbers| {
        numbers.0.execute("INSERT INTO n VALUES (?1)", [number])?;
        Ok(())
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// Hands in work, which waits for the writer then.
fn submit<'a>(
    writer: &'a Writer<Numbers>,
    work: impl FnMut(&mut Numbers) -> Outcome<()> + Send + 'static,
) -> Answer<'a> {
    let mut answer = Box::pin(async move { writer.submit(&call(), 0, work).await });
    assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    answer
}

/// Work that keeps the writer at it until the sender is dropped. It has begun once this is back.
fn gate(writer: &Writer<Numbers>) -> (Answer<'_>, Sender<()>) {
    let (answer, begins, go) = closed_gate(writer);
    begins.recv().unwrap();
    (answer, go)
}

/// The same, and the receiver hears that it has begun.
fn closed_gate(writer: &Writer<Numbers>) -> (Answer<'_>, Receiver<()>, Sender<()>) {
    let ((go, gone), (begun, begins)) = (channel::<()>(), channel());
    let work = move |_: &mut Numbers| {
        let _ = begun.send(());
        // Nothing is sent: it may run a second time.
        let _ = gone.recv();
        Ok(())
    };
    (submit(writer, work), begins, go)
}

/// Hands in work of which some fails, lets the writer go on, and sees that only that has failed.
fn only_the_culprits_fail(writer: &Writer<Numbers>, go: Sender<()>) {
    let (first, twice) = (submit(writer, insert(1)), submit(writer, insert(1)));
    let panics = submit(writer, |numbers| {
        insert(50)(numbers)?;
        panic!("on purpose")
    });
    let refused = submit(writer, |_| Err(Fail::Refused(Error::invalid("on purpose"))));
    let last = submit(writer, insert(2));
    drop(go);
    let runtime = Builder::new_current_thread().build().unwrap();
    let kind = |answer: Answer<'_>| runtime.block_on(answer).map_err(|error| error.kind);
    assert_eq!(kind(first), Ok(()));
    assert_eq!(kind(twice), Err(ErrorKind::Internal));
    assert_eq!(kind(panics), Err(ErrorKind::Internal));
    assert_eq!(kind(refused), Err(ErrorKind::Invalid));
    assert_eq!(kind(last), Ok(()));
    let sum = |numbers: &mut Numbers| {
        let sum = numbers.0.query_row("SELECT sum(n) FROM n", [], |row| row.get::<_, i64>(0))?;
        Ok(sum)
    };
    assert_eq!(runtime.block_on(writer.submit(&call(), 0, sum)).unwrap(), 3);
}

#[test]
fn in_one_transaction_only_the_culprit_fails() {
    let (writer, _there) = numbers(100);
    let (_early, go) = gate(&writer);
    // It joins the transaction of the first, whose end all others miss.
    let (late, begins, go_late) = closed_gate(&writer);
    drop(go);
    begins.recv().unwrap();
    only_the_culprits_fail(&writer, go_late);
    Builder::new_current_thread().build().unwrap().block_on(late).unwrap();
}

#[test]
fn what_joins_a_transaction_and_fails_costs_nobody_else_anything() {
    let (writer, _there) = numbers(100);
    let (early, go) = gate(&writer);
    only_the_culprits_fail(&writer, go);
    Builder::new_current_thread().build().unwrap().block_on(early).unwrap();
}

#[test]
fn more_than_may_wait_is_refused_at_once() {
    let (writer, _there) = numbers(1);
    let (_early, go) = gate(&writer);
    let waiting = submit(&writer, insert(1));
    let runtime = Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(writer.submit(&call(), 0, insert(2))).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unavailable);
    assert!(refused.retry_after.is_some());
    drop(go);
    runtime.block_on(waiting).unwrap();
}

#[test]
fn when_the_thread_breaks_off_nobody_waits_for_it() {
    let (writer, _there) = numbers(100);
    let (_early, go) = gate(&writer);
    let breaks = submit(&writer, |numbers| {
        numbers.1 = true;
        Ok(())
    });
    drop(go);
    let runtime = Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(breaks).unwrap_err().kind, ErrorKind::Unavailable);
    // What comes before the thread has ended, and what comes after.
    for number in 1..10 {
        let refused = runtime.block_on(writer.submit(&call(), 0, insert(number))).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Unavailable);
    }
}
