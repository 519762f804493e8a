//! One case of the conformance kit, in a process of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sukkal_plugin_sdk::ErrorKind;
use sukkal_plugin_sdk::conformance::{self, Case, CatalogBench, Failure, PoolBench, Reopen, Report, Verdict, history};
use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::TestClock;

use super::child::{self, Lost};
use super::kills;
use super::options::{Effort, Opening};
use super::registry::Kind;
use crate::config::scheme;

/// The sub-command of `plugin` that runs a case.
pub const NAME: &str = "run-case";

/// In a case's place: the store is opened, and nothing else is done. What is not offered is told of a URI that
/// names something else.
pub const OPENING: &str = "open";

/// How long starting and loading may take beside what the kit itself allows a case.
const STARTING: Duration = Duration::from_secs(30);

/// A case, and the store that it is run on.
#[derive(Clone, clap::Args)]
pub struct OneCase {
    /// The library.
    pub file: PathBuf,
    /// The store.
    #[arg(long)]
    pub uri: String,
    /// What it is opened as.
    #[arg(long)]
    pub kind: Kind,
    /// The case's name.
    #[arg(long)]
    pub case: String,
    /// A directory for the store's files.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// How it is opened.
    #[command(flatten)]
    pub opening: Opening,
    /// How much is done.
    #[command(flatten)]
    pub effort: Effort,
    /// Of a case about kills: what comes after one, with what was noted down before it.
    #[arg(long)]
    pub after_kill: bool,
}

/// How a case went, as one process tells another.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    /// How it went.
    pub told: Told,
    ms: u64,
}

/// A verdict on its way.
#[derive(Serialize, Deserialize)]
pub enum Told {
    /// The promise held.
    Passed,
    /// It did not; why.
    Failed(String),
    /// The store does not offer what the case is about; what.
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

impl Told {
    /// As a case ends.
    pub fn outcome(self) -> Result<(), Failure> {
        match self {
            Told::Passed => Ok(()),
            Told::Failed(reason) => Err(Failure::Broken(reason)),
            Told::NotOffered(what) => Err(Failure::NotOffered(what)),
        }
    }
}

impl OneCase {
    /// Runs the case in a process of its own, or in several where it is about kills. The store's logs
    /// are on standard error.
    ///
    /// # Errors
    /// The process could not be started.
    pub fn ask(&self) -> Result<(Verdict, Duration), std::io::Error> {
        let begun = Instant::now();
        if self.case == history::killed::NAME {
            return Ok((kills::search(self)?, begun.elapsed()));
        }
        match kills::ask(self) {
            Ok(Outcome { told, ms }) => Ok((told.outcome().into(), Duration::from_millis(ms))),
            Err(Lost::System(error)) => Err(error),
            Err(lost) => Ok((Verdict::Failed(format!("the library {lost}")), begun.elapsed())),
        }
    }

    /// Runs the case, or what is left of it after a kill, in one process.
    ///
    /// # Errors
    /// See [`Lost`].
    pub fn ask_once(&self, after_kill: bool) -> Result<Outcome, Lost> {
        let mut arguments: Vec<OsString> = ["plugin", NAME].map(OsString::from).into();
        for (option, value) in [("--uri", &*self.uri), ("--kind", self.kind.name()), ("--case", &*self.case)] {
            arguments.push(format!("{option}={value}").into());
        }
        arguments.extend([OsString::from("--data-dir"), self.data_dir.clone().into()]);
        arguments.extend(self.opening.arguments());
        arguments.extend(self.effort.arguments());
        arguments.extend(after_kill.then(|| OsString::from("--after-kill")));
        // Its name may begin as an option does.
        arguments.extend([OsString::from("--"), self.file.clone().into()]);
        child::ask(&arguments, Stdio::inherit(), STARTING + self.effort.of_the_kit().patience())
    }

    /// Runs the case in this process, and answers the one that asked.
    pub fn run(&self) {
        child::begin();
        let (told, took) = match self.report() {
            Ok(report) => (report.verdict.into(), report.took),
            Err(reason) => (Told::Failed(reason), Duration::ZERO),
        };
        child::answer(&Outcome { told, ms: took.as_millis() as u64 });
    }

    fn report(&self) -> Result<Report, String> {
        let clock = TestClock::default();
        let library = Library::load(&self.file, &std::env::temp_dir(), clock.services());
        let library = library.map_err(|refusal| refusal.to_string())?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
        let report = runtime.block_on(async {
            if self.case == OPENING {
                return Ok(self.open(&library).await);
            }
            if let Some(kills) = kills::find(&self.case) {
                return kills.run(self, library, clock).await;
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

    async fn open(&self, library: &Library) -> Report {
        let begun = Instant::now();
        let opened = match self.kind {
            Kind::Catalog => library.open_catalog(self.arguments()).await.map(drop),
            _ => library.open_pool(self.arguments()).await.map(drop),
        };
        let verdict = match opened {
            Ok(()) => Verdict::Passed,
            Err(error) if error.kind == ErrorKind::Invalid => Verdict::NotOffered(error.to_string()),
            Err(error) => Verdict::Failed(unopened(&error)),
        };
        Report { name: OPENING, promise: "", verdict, took: begun.elapsed() }
    }

    async fn run_pool(&self, case: &Case<PoolBench>, library: Library, clock: TestClock) -> Result<Report, String> {
        let arguments = self.arguments();
        let pool = library.open_pool(arguments.clone()).await.map_err(|error| unopened(&error))?;
        let reopen: Reopen<_> = Arc::new(move || {
            let (library, arguments) = (library.clone(), arguments.clone());
            Box::pin(async move { library.open_pool(arguments).await })
        });
        Ok(conformance::run(case, PoolBench { pool, clock, reopen: Some(reopen), effort: self.effort.of_the_kit() })
            .await)
    }

    async fn run_catalog(
        &self,
        case: &Case<CatalogBench>,
        library: Library,
        clock: TestClock,
    ) -> Result<Report, String> {
        let arguments = self.arguments();
        let catalog = library.open_catalog(arguments.clone()).await.map_err(|error| unopened(&error))?;
        let reopen: Reopen<_> = Arc::new(move || {
            let (library, arguments) = (library.clone(), arguments.clone());
            Box::pin(async move { library.open_catalog(arguments).await })
        });
        Ok(conformance::run(case, CatalogBench { catalog, clock, reopen: Some(reopen) }).await)
    }

    /// What the store is opened with.
    pub fn arguments(&self) -> OpenArgs {
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

/// Why a store that cannot be opened fails its case.
pub fn unopened(error: &sukkal_plugin_sdk::Error) -> String {
    format!("it cannot be opened: {error}")
}
