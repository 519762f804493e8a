//! One case of the conformance kit, in a process of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sukkal_plugin_sdk::conformance::{self, Case, CatalogBench, PoolBench, Reopen, Report, Verdict, crash};
use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::TestClock;

use super::child::{self, Lost};
use crate::config::scheme;

/// The sub-command of `plugin` that runs a case.
pub const NAME: &str = "run-case";

/// How long starting and loading may take beside what the kit itself allows a case.
const STARTING: Duration = Duration::from_secs(30);

/// How a store is opened.
#[derive(Clone, clap::Args)]
pub struct Opening {
    /// The plugin's settings, as a JSON object.
    #[arg(long, default_value = "{}")]
    settings: String,
    /// Nothing of the store outlives its closing: leave out the cases about restarts.
    #[arg(long)]
    volatile: bool,
    /// How many messages a deep queue holds, in the cases of cost: 1000000 for a long run.
    #[arg(long, value_name = "MESSAGES", default_value_t = conformance::DEPTH,
        value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    depth: u32,
}

/// A case, and the store that it is run on.
#[derive(clap::Args)]
pub struct OneCase {
    /// The library.
    pub file: PathBuf,
    /// The store.
    #[arg(long)]
    pub uri: String,
    /// The case's name.
    #[arg(long)]
    pub case: String,
    /// A directory for the store's files.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// How it is opened.
    #[command(flatten)]
    pub opening: Opening,
    /// Of a case about a kill: the second half, on what the first has left.
    #[arg(long)]
    pub after_kill: bool,
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

impl OneCase {
    /// Runs the case in a process of its own. The store's logs are on standard error.
    ///
    /// # Errors
    /// The process could not be started.
    pub fn ask(&self) -> Result<(Verdict, Duration), std::io::Error> {
        let outcome = match self.ask_once(self.after_kill) {
            // That is how the first half ends when it has noted down what the second is to find.
            Err(Lost::Ended(_)) if self.notes().exists() => self.ask_once(true),
            outcome => outcome,
        };
        match outcome {
            Ok(Outcome { verdict, ms }) => Ok((verdict.into(), Duration::from_millis(ms))),
            Err(Lost::System(error)) => Err(error),
            Err(lost) => Ok((Verdict::Failed(format!("the library {lost}")), Duration::ZERO)),
        }
    }

    fn ask_once(&self, after_kill: bool) -> Result<Outcome, Lost> {
        let mut arguments: Vec<OsString> = ["plugin", NAME].map(OsString::from).into();
        arguments.push(self.file.clone().into());
        for (option, value) in [("--uri", &self.uri), ("--case", &self.case), ("--settings", &self.opening.settings)] {
            arguments.push(format!("{option}={value}").into());
        }
        arguments.extend([OsString::from("--data-dir"), self.data_dir.clone().into()]);
        arguments.push(format!("--depth={}", self.opening.depth).into());
        arguments.extend(self.opening.volatile.then(|| OsString::from("--volatile")));
        arguments.extend(after_kill.then(|| OsString::from("--after-kill")));
        let patience = STARTING + conformance::patience(self.opening.depth);
        child::ask(&arguments, Stdio::inherit(), patience)
    }

    /// Runs the case in this process, and answers the one that asked.
    pub fn run(&self) {
        let (verdict, took) = match self.report() {
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
            if self.case == crash::NAME {
                return self.run_over_a_kill(library, clock).await;
            }
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
        Ok(conformance::run(case, PoolBench { pool, clock, reopen, depth: self.opening.depth }).await)
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

    /// One half of the case: works until it ends this process, or looks at what is left.
    async fn run_over_a_kill(&self, library: Library, clock: TestClock) -> Result<Report, String> {
        let begun = Instant::now();
        let pool = library.open_pool(self.arguments()).await.map_err(|error| unopened(&error))?;
        let bench = PoolBench { pool, clock, reopen: None, depth: self.opening.depth };
        let verdict = match self.after_kill {
            _ if self.opening.volatile => Verdict::NotOffered("nothing outlives a restart".to_owned()),
            false => crash::work(bench, |noted| self.note_and_end(noted)).await.into(),
            true => crash::check(bench, &self.noted()?).await.into(),
        };
        Ok(Report { name: crash::NAME, promise: crash::PROMISE, verdict, took: begun.elapsed() })
    }

    /// Ends the process as a kill does: nothing of it runs any more.
    fn note_and_end(&self, noted: &crash::Acknowledged) {
        if let Err(error) = serde_json::to_vec(noted).map(|notes| std::fs::write(self.notes(), notes)) {
            eprintln!("what was acknowledged cannot be noted down: {error}");
        }
        std::process::abort();
    }

    fn noted(&self) -> Result<crash::Acknowledged, String> {
        let notes = std::fs::read(self.notes()).map_err(|error| format!("the notes cannot be read: {error}"))?;
        serde_json::from_slice(&notes).map_err(|error| format!("the notes are spoilt: {error}"))
    }

    /// Where the first half of a case about a kill notes down what was acknowledged.
    fn notes(&self) -> PathBuf {
        self.data_dir.join("acknowledged.json")
    }

    fn arguments(&self) -> OpenArgs {
        OpenArgs {
            which: scheme(&self.uri).unwrap_or_default().to_owned(),
            uri: self.uri.clone(),
            settings: self.opening.settings.clone(),
            data_dir: self.data_dir.to_string_lossy().into_owned(),
            host_id: "verify".to_owned(),
            records: None,
            isolate: false,
        }
    }
}

fn find<B: Clone>(cases: Vec<Case<B>>, name: &str) -> Option<Case<B>> {
    cases.into_iter().find(|case| case.name == name)
}

fn unopened(error: &sukkal_plugin_sdk::Error) -> String {
    format!("it cannot be opened: {error}")
}
