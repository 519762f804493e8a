//! The conformance kit finds what it says that it finds: each of its cases fails on a store that is
//! broken on purpose, and none on the same store when it is sound.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sukkal_plugin_sdk::conformance::{self, CatalogBench, PoolBench, Reopen, Verdict};
use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::TestClock;
use sukkal_tests::host::alone;
use sukkal_tests::programs;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many cases run at a time; some wait for a hint that never comes.
const AT_ONCE: usize = 8;
/// What measures takes the room of so many: with more beside it than the machine has cores for, a look
/// at a few messages takes as long as one at many.
const MEASURING: u32 = 4;

/// Messages of a deep queue: fewer than elsewhere, since a store that scans them takes its time.
const DEEP: u32 = 4_000;

/// What is needed to open the broken stores: a library and a clock of a case's own.
struct Broken {
    library: Library,
    arguments: OpenArgs,
    clock: TestClock,
}

impl Broken {
    /// A library whose stores break the promise of a case; empty for none.
    fn load(case: &str, folder: &Path) -> Broken {
        let clock = TestClock::default();
        let library = Library::load(&programs::bad_library("broken_stores"), folder, clock.services());
        let arguments = OpenArgs {
            which: "broken".to_owned(),
            uri: "broken:store.db".to_owned(),
            settings: format!("{{\"break\":\"{case}\"}}"),
            data_dir: folder.to_string_lossy().into_owned(),
            host_id: "test".to_owned(),
            records: None,
            isolate: false,
        };
        Broken { library: library.expect("the library is sound"), arguments, clock }
    }

    async fn pool(self) -> PoolBench {
        let Broken { library, arguments, clock } = self;
        let pool = library.open_pool(arguments.clone()).await.expect("the pool opens");
        let reopen: Reopen<_> = Arc::new(move || {
            let (library, arguments) = (library.clone(), arguments.clone());
            Box::pin(async move { library.open_pool(arguments).await })
        });
        PoolBench { pool, clock, reopen: Some(reopen), depth: DEEP }
    }

    async fn catalog(self) -> CatalogBench {
        let Broken { library, arguments, clock } = self;
        let catalog = library.open_catalog(arguments.clone()).await.expect("the catalog opens");
        let reopen: Reopen<_> = Arc::new(move || {
            let (library, arguments) = (library.clone(), arguments.clone());
            Box::pin(async move { library.open_catalog(arguments).await })
        });
        CatalogBench { catalog, clock, reopen: Some(reopen) }
    }
}

/// Runs every case of the kit, and returns what is not as it must be.
async fn run(broken: bool) -> Vec<String> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running: JoinSet<(&'static str, Verdict)> = JoinSet::new();
    for case in conformance::pool_cases() {
        let room = room.clone();
        running.spawn(async move {
            let _place = room.acquire_many(if case.name.contains(".depth.") { MEASURING } else { 1 }).await;
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let store = Broken::load(if broken { case.name } else { "" }, folder.path());
            (case.name, conformance::run(&case, store.pool().await).await.verdict)
        });
    }
    for case in conformance::catalog_cases() {
        let room = room.clone();
        running.spawn(async move {
            let _place = room.acquire().await;
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let store = Broken::load(if broken { case.name } else { "" }, folder.path());
            (case.name, conformance::run(&case, store.catalog().await).await.verdict)
        });
    }
    let verdicts = running.join_all().await;
    assert!(verdicts.len() > 100, "there are {} cases", verdicts.len());
    let right =
        |verdict: &Verdict| if broken { matches!(verdict, Verdict::Failed(_)) } else { *verdict == Verdict::Passed };
    let wrong = verdicts.into_iter().filter(|(_, verdict)| !right(verdict));
    wrong.map(|(name, verdict)| format!("{name}: {verdict:?}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_fails_on_a_store_that_breaks_its_promise() {
    let held = run(true).await;
    assert!(held.is_empty(), "cases that do not fail:\n{}", held.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_case_fails_on_the_same_store_when_it_is_sound() {
    let failed = run(false).await;
    assert!(failed.is_empty(), "cases that fail:\n{}", failed.join("\n"));
}

#[test]
fn verify_names_the_promise_that_a_store_breaks() {
    for (case, promise) in [
        ("pool.claim.exclusive", "two live claims never hold one message"),
        ("pool.restart.messages", "messages are there after a restart"),
        ("pool.crash.acknowledged", "what was acknowledged before a kill is there after it"),
        ("pool.expiry.everywhere", "no operation returns, counts or claims an expired message"),
        ("catalog.commit.race", "of commits that expect the same revision one is made"),
    ] {
        let mut command = Command::new(programs::sukkal());
        command.args(["plugin", "verify"]).arg(programs::bad_library("broken_stores")).args(["--case", case]);
        command.arg("--settings").arg(format!("{{\"break\":\"{case}\"}}"));
        alone(&mut command);
        let output = command.output().expect("the program can be started");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{case}: {told}");
        let line = told.lines().find(|line| line.starts_with("FAIL")).unwrap_or_default();
        assert!(line.contains(case) && line.contains(promise), "{told}");
    }
}

#[test]
fn verify_kills_a_store_and_finds_what_it_acknowledged() {
    for (package, word) in [("sukkal-sqlite", "ok "), ("sukkal-memory", "- ")] {
        let mut command = Command::new(programs::sukkal());
        command.args(["plugin", "verify"]).arg(programs::library(package)).args(["--case", "pool.crash.*"]);
        alone(&mut command);
        let output = command.output().expect("the program can be started");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{package}: {told}");
        let line = told.lines().find(|line| line.contains("pool.crash.acknowledged")).unwrap_or_default();
        assert!(line.starts_with(word), "{package}: {told}");
    }
}
