//! `sukkal plugin verify` holds the stores of a library to their promises, whatever it does meanwhile.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sukkal_tests::eventually::{SOON, eventually};
use sukkal_tests::host::alone;
use sukkal_tests::{Host, programs};

use crate::loading::{line_of, sukkal, text};

#[test]
fn verify_passes_a_sound_store_and_names_what_was_asked() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let path = programs::library("sukkal-sqlite");
    let path = path.to_string_lossy();
    let output = sukkal(&host, &["plugin", "verify", &path, "--case", "pool.claim.ex[cp]*"]);
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    assert!(told.contains("pool sqlite:verify.db"), "{told}");
    assert!(told.lines().any(|line| line.starts_with("ok    pool.claim.exclusive")), "{told}");
    assert!(told.ends_with("2 passed, 0 failed, 0 not offered\n"), "{told}");
    let output = sukkal(&host, &["plugin", "verify", &path, "--case", "pool.claim.exclusive", "--json"]);
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines[0]["verdict"], "passed");
    assert_eq!(lines[1], serde_json::json!({ "passed": 1, "failed": 0, "not_offered": 0 }));
    let filter = programs::library("sukkal-filter-audit");
    let filter = filter.to_string_lossy();
    for (arguments, why) in [
        (["plugin", "verify", &path, "--case", "nothing.*"], "it has no case that nothing.* names;"),
        (
            ["plugin", "verify", &path, "--uri", "redis:"],
            "no pool and no catalog of it has the scheme of redis:; it has: catalog sqlite, pool sqlite",
        ),
        (["plugin", "verify", &filter, "--case", "*"], "it has no pool and no catalog; filters and notifiers are"),
    ] {
        let output = sukkal(&host, &arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(&format!("nothing to verify: {why}")), "{}", text(&output.stderr));
    }
}

#[test]
fn verify_asks_nothing_after_a_restart_of_what_says_that_nothing_is_left() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let path = programs::library("sukkal-memory");
    for (case, passed) in [("catalog.restart.*", 0), ("pool.restart.*", 0), ("pool.crash.*", 0), ("catalog.health", 1)]
    {
        let output = sukkal(&host, &["plugin", "verify", &path.to_string_lossy(), "--case", case]);
        let told = text(&output.stdout);
        assert!(output.status.success(), "{case}: {told}{}", text(&output.stderr));
        assert!(told.contains(&format!("{passed} passed, 0 failed")), "{case}: {told}");
    }
}

#[test]
fn verify_asks_after_a_restart_of_what_outlives_all_but_a_crash_of_the_machine() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let (path, settings) = (programs::library("sukkal-sqlite"), r#"{"synchronous":"normal"}"#);
    for (case, passed) in [("pool.restart.*", 6), ("pool.crash.*", 1)] {
        let arguments = ["plugin", "verify", &path.to_string_lossy(), "--case", case, "--settings", settings];
        let told = text(&sukkal(&host, &arguments).stdout);
        assert!(told.ends_with(&format!("{passed} passed, 0 failed, 0 not offered\n")), "{case}: {told}");
    }
}

#[test]
fn verify_survives_what_panics_hangs_or_cannot_be_opened() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let path = programs::bad_library("misbehaves");
    let path = path.to_string_lossy();
    for (does, at, reason) in [
        ("panic_text", "claim", "the plugin failed: panic: at once, with a text"),
        ("late_panic_number", "claim", "the plugin failed"),
        ("fail", "claim", "out of order: as its settings say"),
        ("fail", "open", "it cannot be opened: out of order"),
    ] {
        let settings = format!("{{\"does\":\"{does}\",\"at\":\"{at}\"}}");
        let case = "pool.claim.oldest_first";
        let output = sukkal(&host, &["plugin", "verify", &path, "--case", case, "--settings", &settings]);
        assert_eq!(output.status.code(), Some(1), "{does} at {at}");
        let told = text(&output.stdout);
        let line = line_of(&told, case);
        assert!(line.starts_with("FAIL") && line.contains(reason), "{does} at {at}: {told}");
        assert!(line.contains("(promised: a claim takes the oldest available messages"), "{told}");
        assert!(told.ends_with("0 passed, 1 failed, 0 not offered\n"), "{told}");
    }
}

#[test]
fn verify_tells_once_that_a_store_cannot_be_opened() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let path = programs::library("sukkal-sqlite");
    let output = sukkal(&host, &["plugin", "verify", &path.to_string_lossy(), "--uri", "sqlite:/no/such/folder/x.db"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("sqlite:/no/such/folder/x.db: it cannot be opened"), "{told}");
    assert_eq!(text(&output.stdout), "", "no case is tried");
}

#[test]
fn verify_opens_a_store_as_what_its_cases_are_for() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let path = programs::library("sukkal-sqlite");
    let path = path.to_string_lossy();
    for (file, case, passed, other) in [
        ("pool.db", "pool.claim.ex[cp]*", 2, false),
        ("catalog.db", "catalog.health", 1, false),
        ("pool.db", "*.health", 1, true),
        ("new.db", "*.health", 1, true),
    ] {
        let uri = format!("sqlite:{}", host.folder().join(file).display());
        let output = sukkal(&host, &["plugin", "verify", &path, "--uri", &uri, "--case", case]);
        let told = text(&output.stdout);
        assert!(output.status.success(), "{file}, {case}: {told}{}", text(&output.stderr));
        assert!(told.ends_with(&format!("{passed} passed, 0 failed, 0 not offered\n")), "{file}, {case}: {told}");
        assert_eq!(told.contains("not verified: the file is no catalog but pool"), other, "{file}, {case}: {told}");
    }
    let uri = format!("sqlite:{}", host.folder().join("pool.db").display());
    let output = sukkal(&host, &["plugin", "verify", &path, "--uri", &uri, "--case", "catalog.*"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the file is no catalog but pool"), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "no case is tried");
}

#[test]
fn settings_that_are_no_object_are_a_mistake_on_the_command_line() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let path = programs::library("sukkal-sqlite");
    for settings in ["x", "[]", "{\"a\":1} 2"] {
        let output = sukkal(&host, &["plugin", "verify", &path.to_string_lossy(), "--settings", settings]);
        assert_eq!(output.status.code(), Some(2), "{settings}");
        assert!(text(&output.stderr).contains("no JSON object"), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "no case is tried");
    }
}

#[test]
fn settings_that_a_store_does_not_take_break_no_promise() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let path = programs::library("sukkal-sqlite");
    for (settings, reason) in
        [(r#"{"readers":0}"#, "readers must be from 1 to 64"), (r#"{"x":1}"#, "unknown field `x`")]
    {
        let arguments = ["plugin", "verify", &path.to_string_lossy(), "--settings", settings, "--case", "pool.order.*"];
        let output = sukkal(&host, &arguments);
        assert_eq!(output.status.code(), Some(1), "{settings}");
        let told = text(&output.stderr);
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains("pool sqlite:verify.db: it cannot be opened") && told.contains(reason), "{told}");
        assert_eq!(text(&output.stdout), "", "no case is tried");
    }
}

/// The processes that run a case in a folder.
fn at_work(folder: &Path) -> usize {
    let folder = folder.to_string_lossy();
    let processes = std::fs::read_dir("/proc").expect("processes can be listed").filter_map(Result::ok);
    let commands = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    commands.map(|command| text(&command)).filter(|told| told.contains("run-case") && told.contains(&*folder)).count()
}

#[tokio::test]
async fn verify_that_is_interrupted_leaves_neither_a_folder_nor_a_process() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let scratch = host.folder().join("scratch");
    std::fs::create_dir(&scratch).expect("a folder can be made");
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut verify = Command::new(programs::sukkal());
        verify.args(["plugin", "verify"]).arg(programs::bad_library("misbehaves"));
        verify.args(["--case", "pool.claim.exclusive", "--settings", r#"{"does":"never","at":"claim"}"#]);
        // The process of the case writes there too.
        let told = host.folder().join("told");
        let stderr = std::fs::File::create(&told).expect("a file can be made");
        alone(verify.env("TMPDIR", &scratch).stdout(Stdio::null()).stderr(stderr));
        let mut verify = verify.spawn().expect("the program can be started");
        eventually("the case runs", SOON, async || (at_work(&scratch) > 0).then_some(())).await;
        let id = i32::try_from(verify.id()).ok().and_then(Pid::from_raw).expect("a process has a number");
        kill_process(id, signal).expect("a process of ours can be signalled");
        let status = verify.wait().expect("a process of ours can be waited for");
        eventually("the case ends", SOON, async || (at_work(&scratch) == 0).then_some(())).await;
        if signal != Signal::KILL {
            let told = std::fs::read_to_string(&told).expect("a file can be read");
            assert_eq!((status.code(), told.as_str()), (Some(1), "sukkal: interrupted\n"), "{signal:?}");
            assert_eq!(std::fs::read_dir(&scratch).expect("a folder can be read").count(), 0, "{signal:?}");
        }
    }
}
