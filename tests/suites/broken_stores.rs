//! The conformance kit finds what it says that it finds: each of its cases fails on a store that is
//! broken on purpose, and none on the same store when it is sound.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sukkal_plugin_sdk::conformance::{self, CatalogBench, Effort, PoolBench, Reopen, Verdict, crash, history::killed};
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
        PoolBench { pool, clock, reopen: Some(reopen), effort: Effort { depth: DEEP, ..Effort::default() } }
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

/// Verifies the broken stores with the break of a case (empty for none, and for every case that draws
/// histories), and returns what was told and the status.
fn verify(case: &str, more: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(programs::sukkal());
    let cases = if case.is_empty() { "pool.history.*" } else { case };
    command.args(["plugin", "verify"]).arg(programs::bad_library("broken_stores")).args(["--case", cases]);
    command.arg("--settings").arg(format!("{{\"break\":\"{case}\"}}")).args(more);
    alone(&mut command);
    let output = command.output().expect("the program can be started");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

/// The failure of a case: its line, the seed, and the steps that show it.
fn failure(told: &str, case: &str) -> (String, String, Vec<String>) {
    let mut lines = told.lines().skip_while(|line| !line.starts_with(&format!("FAIL  {case} ")));
    let first = lines.next().unwrap_or_else(|| panic!("{case} does not fail:\n{told}")).to_owned();
    let seed = lines.next().and_then(|line| line.trim().strip_prefix("seed ")?.split_once(':'));
    let seed = seed.unwrap_or_else(|| panic!("no seed:\n{told}")).0.to_owned();
    let steps = lines.map(str::trim).take_while(|line| !line.starts_with("again:"));
    let steps = steps.filter_map(|line| line.split_once(". ")).map(|(_, step)| step.to_owned()).collect();
    (first, seed, steps)
}

/// A store that fails by chance is told with its promise, a seed and the shortest sequence; and the
/// seed finds it again.
fn verify_tells_the_shortest_sequence(case: &str, promise: &str, most: usize, least: &[&str]) {
    let (told, status) = verify(case, &[]);
    assert_eq!(status, Some(1), "{told}");
    let (first, seed, steps) = failure(&told, case);
    assert!(first.contains(promise), "{first}");
    assert!(steps.len() <= most, "not the shortest:\n{told}");
    for step in least {
        assert!(steps.iter().any(|told| told.contains(step)), "no `{step}`:\n{told}");
    }
    let (told, status) = verify(case, &["--seed", &seed, "--histories", "1"]);
    assert_eq!(status, Some(1), "{told}");
    assert_eq!(failure(&told, case).1, seed, "{told}");
}

#[test]
fn a_pool_that_returns_expired_messages_is_shown_by_a_shortest_sequence() {
    let promise = "what has expired is never returned";
    // No step need let time pass: on a busy machine it does by itself.
    verify_tells_the_shortest_sequence("pool.history.one_by_one", promise, 3, &["post 1, to live "]);
}

#[test]
fn a_pool_that_gives_a_message_to_two_claims_at_once_is_shown_by_a_shortest_sequence() {
    let promise = "two live claims never hold one message";
    verify_tells_the_shortest_sequence("pool.history.at_once", promise, 10, &["post 1,", ": claim up to 1 "]);
}

#[test]
fn a_pool_that_forgets_posts_at_a_kill_is_shown_by_a_shortest_sequence() {
    let promise = "what was acknowledged is there after any history with kills in it";
    let least = ["post 1, to live 86400 s", "the process is killed, and the pool opened again"];
    verify_tells_the_shortest_sequence("pool.history.over_kills", promise, 2, &least);
}

#[test]
fn a_sound_pool_lives_through_every_history() {
    let (told, status) = verify("", &["--histories", "30"]);
    assert_eq!(status, Some(0), "{told}");
    for case in ["one_by_one", "at_once", "over_kills"] {
        assert!(told.lines().any(|line| line.starts_with(&format!("ok    pool.history.{case} ("))), "{told}");
    }
}

#[test]
fn verify_kills_a_store_and_finds_what_it_acknowledged() {
    for (package, word) in [("sukkal-sqlite", "ok "), ("sukkal-memory", "- ")] {
        for case in [crash::NAME, killed::NAME] {
            let mut command = Command::new(programs::sukkal());
            command.args(["plugin", "verify"]).arg(programs::library(package)).args(["--case", case]);
            alone(&mut command);
            let output = command.output().expect("the program can be started");
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{package}: {told}");
            let line = told.lines().find(|line| line.contains(case)).unwrap_or_default();
            assert!(line.starts_with(word), "{package}: {told}");
        }
    }
}
