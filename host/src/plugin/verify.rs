//! Holds the stores of a library to the promises of their contracts: the SDK's conformance kit, each
//! case in a process of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sukkal_plugin_sdk::conformance::{self, Case, CatalogBench, PoolBench, Reopen, Report, Verdict};
use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::TestClock;

use super::child;
use super::inspect::inspect;
use super::registry::Kind;
use crate::config::scheme;

/// How long a case may take in all; the kit itself allows it a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// The sub-command of `plugin` that [`verify`] asks.
pub const RUN_CASE: &str = "run-case";

/// What is verified, and how.
#[derive(clap::Args)]
pub struct Options {
    /// The library.
    file: PathBuf,
    /// The store that is opened; cases make queues and projects in it, and leave them there. Without
    /// it each case gets a file of its own, as in `sqlite:verify.db`. Relative paths are below a
    /// temporary directory.
    #[arg(long)]
    uri: Option<String>,
    /// Only cases of these names; `*` stands for anything: `pool.claim.*`.
    #[arg(long, value_name = "PATTERN")]
    case: Option<glob::Pattern>,
    #[command(flatten)]
    opening: Opening,
    /// Tell each case as a line of JSON.
    #[arg(long)]
    json: bool,
}

/// How a store is opened.
#[derive(clap::Args)]
struct Opening {
    /// The plugin's settings, as a JSON object.
    #[arg(long, default_value = "{}")]
    settings: String,
    /// Nothing of the store outlives its closing: leave out the cases about restarts.
    #[arg(long)]
    volatile: bool,
}

/// One case, for the process that runs it.
#[derive(clap::Args)]
pub struct One {
    file: PathBuf,
    #[arg(long)]
    uri: String,
    #[arg(long)]
    case: String,
    #[arg(long)]
    data_dir: PathBuf,
    #[command(flatten)]
    opening: Opening,
}

/// How a case went, as one process tells another.
#[derive(Serialize, Deserialize)]
struct Outcome {
    verdict: Told,
    ms: u64,
}

#[derive(Serialize, Deserialize)]
enum Told {
    Passed,
    Failed(String),
    NotOffered(String),
}

/// How many cases went how.
#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
    not_offered: u32,
}

/// A scheme of the library, and the cases for it.
struct Store {
    kind: Kind,
    uri: String,
    cases: Vec<(&'static str, &'static str)>,
}

/// Runs the cases and prints how each went. `false`: the store breaks a promise.
///
/// # Errors
/// Nothing could be run; in one line.
pub fn verify(options: &Options) -> Result<bool, String> {
    let stores = stores(options)?;
    let mut tally = Tally::default();
    for store in &stores {
        if !options.json {
            println!("{} {}", store.kind.name(), store.uri);
        }
        for (name, promise) in &store.cases {
            let report = options.run(store, name, promise)?;
            tally.count(&report.verdict);
            if options.json { println!("{}", as_json(store, &report)) } else { println!("{report}") }
        }
    }
    if options.json {
        println!("{}", json!({"passed": tally.passed, "failed": tally.failed, "not_offered": tally.not_offered}));
    } else {
        println!("{} passed, {} failed, {} not offered", tally.passed, tally.failed, tally.not_offered);
    }
    Ok(tally.failed == 0)
}

/// What of the library is to be verified.
fn stores(options: &Options) -> Result<Vec<Store>, String> {
    let library = inspect(&options.file).map_err(|refusal| refusal.to_string())?;
    let wanted = options.uri.as_deref().map(|uri| scheme(uri).ok_or_else(|| format!("`{uri}` is no URI")));
    let wanted = wanted.transpose()?;
    let mut stores = Vec::new();
    for (kind, name) in library.provides().filter(|(_, name)| wanted.is_none_or(|wanted| wanted == *name)) {
        let mut cases = cases(kind);
        cases.retain(|(case, _)| options.case.as_ref().is_none_or(|pattern| pattern.matches(case)));
        if !cases.is_empty() {
            let uri = options.uri.clone().unwrap_or_else(|| format!("{name}:verify.db"));
            stores.push(Store { kind, uri, cases });
        }
    }
    if stores.is_empty() {
        let path = options.file.display();
        return Err(format!("{path}: nothing to verify: no pool or catalog with such a scheme, or no such case"));
    }
    Ok(stores)
}

/// The cases for a kind, with their promises.
fn cases(kind: Kind) -> Vec<(&'static str, &'static str)> {
    match kind {
        Kind::Pool => conformance::pool_cases().iter().map(|case| (case.name, case.promise)).collect(),
        Kind::Catalog => conformance::catalog_cases().iter().map(|case| (case.name, case.promise)).collect(),
        Kind::Filter | Kind::Notifier => Vec::new(),
    }
}

impl Options {
    /// Runs a case in a process and a directory of its own.
    fn run(&self, store: &Store, name: &'static str, promise: &'static str) -> Result<Report, String> {
        let directory = tempfile::TempDir::with_prefix("sukkal-verify-")
            .map_err(|error| format!("no temporary directory can be made: {error}"))?;
        let mut arguments: Vec<OsString> = ["plugin", RUN_CASE].map(OsString::from).into();
        arguments.push(self.file.clone().into());
        for (option, value) in
            [("--uri", store.uri.as_str()), ("--case", name), ("--settings", self.opening.settings.as_str())]
        {
            arguments.push(format!("{option}={value}").into());
        }
        arguments.extend([OsString::from("--data-dir"), directory.path().into()]);
        arguments.extend(self.opening.volatile.then(|| OsString::from("--volatile")));
        let outcome: Result<Outcome, child::Lost> = child::ask(&arguments, Stdio::inherit(), PATIENCE);
        let (verdict, ms) = match outcome {
            Ok(Outcome { verdict, ms }) => (verdict.into(), ms),
            Err(child::Lost::System(error)) => return Err(format!("no process can be started: {error}")),
            Err(lost) => (Verdict::Failed(format!("the library {lost}")), 0),
        };
        Ok(Report { name, promise, verdict, took: Duration::from_millis(ms) })
    }
}

impl Tally {
    fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::NotOffered(_) => self.not_offered += 1,
        }
    }
}

fn as_json(store: &Store, report: &Report) -> serde_json::Value {
    let (verdict, reason) = match &report.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Failed(reason) => ("failed", Some(reason)),
        Verdict::NotOffered(what) => ("not offered", Some(what)),
    };
    json!({
        "case": report.name, "promise": report.promise, "verdict": verdict, "reason": reason,
        "ms": report.took.as_millis() as u64, "uri": store.uri,
    })
}

impl From<Verdict> for Told {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Told::Passed,
            Verdict::Failed(reason) => Told::Failed(reason),
            Verdict::NotOffered(what) => Told::NotOffered(what),
        }
    }
}

impl From<Told> for Verdict {
    fn from(told: Told) -> Self {
        match told {
            Told::Passed => Verdict::Passed,
            Told::Failed(reason) => Verdict::Failed(reason),
            Told::NotOffered(what) => Verdict::NotOffered(what),
        }
    }
}

impl One {
    /// Runs the case in this process, and answers the one that asked.
    pub fn run(self) {
        let report = self.report();
        let (verdict, took) = match report {
            Ok(report) => (report.verdict.into(), report.took),
            Err(reason) => (Told::Failed(reason), Duration::ZERO),
        };
        child::answer(&Outcome { verdict, ms: took.as_millis() as u64 });
    }

    fn report(&self) -> Result<Report, String> {
        let clock = TestClock::default();
        let library = Library::load(&self.file, &std::env::temp_dir(), clock.services());
        let library = library.map_err(|refusal| refusal.to_string())?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
        let report = runtime.block_on(async {
            if let Some(case) = find(conformance::pool_cases(), &self.case) {
                return self.run_pool(&case, library, clock).await;
            }
            match find(conformance::catalog_cases(), &self.case) {
                Some(case) => self.run_catalog(&case, library, clock).await,
                None => Err("there is no such case".to_owned()),
            }
        });
        // A store that holds a thread must not hold the answer.
        runtime.shutdown_background();
        report
    }

    async fn run_pool(&self, case: &Case<PoolBench>, library: Library, clock: TestClock) -> Result<Report, String> {
        let arguments = self.arguments();
        let pool = library.open_pool(arguments.clone()).await.map_err(|error| unopened(&error))?;
        let reopen = (!self.opening.volatile).then(|| -> Reopen<_> {
            Arc::new(move || {
                let (library, arguments) = (library.clone(), arguments.clone());
                Box::pin(async move { library.open_pool(arguments).await })
            })
        });
        Ok(conformance::run(case, PoolBench { pool, clock, reopen }).await)
    }

    async fn run_catalog(
        &self,
        case: &Case<CatalogBench>,
        library: Library,
        clock: TestClock,
    ) -> Result<Report, String> {
        let arguments = self.arguments();
        let catalog = library.open_catalog(arguments.clone()).await.map_err(|error| unopened(&error))?;
        let reopen = (!self.opening.volatile).then(|| -> Reopen<_> {
            Arc::new(move || {
                let (library, arguments) = (library.clone(), arguments.clone());
                Box::pin(async move { library.open_catalog(arguments).await })
            })
        });
        Ok(conformance::run(case, CatalogBench { catalog, clock, reopen }).await)
    }

    fn arguments(&self) -> OpenArgs {
        OpenArgs {
            which: scheme(&self.uri).unwrap_or_default().to_owned(),
            uri: self.uri.clone(),
            settings: self.opening.settings.clone(),
            data_dir: path_text(&self.data_dir),
            host_id: "verify".to_owned(),
            records: None,
        }
    }
}

fn find<B: Clone>(cases: Vec<Case<B>>, name: &str) -> Option<Case<B>> {
    cases.into_iter().find(|case| case.name == name)
}

fn unopened(error: &sukkal_plugin_sdk::Error) -> String {
    format!("it cannot be opened: {error}")
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
