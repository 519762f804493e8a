//! The cases of the conformance kit that are about kills: a process works until it ends itself as a
//! kill does, and the next goes on with what the first has noted down.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sukkal_plugin_sdk::conformance::history::{self, Kind, Search, killed};
use sukkal_plugin_sdk::conformance::{Failure, PoolBench, Report, Verdict, crash};
use sukkal_plugin_sdk::load::Library;
use sukkal_plugin_sdk::testing::TestClock;

use super::child::Lost;
use super::run_case::{OneCase, Outcome, unopened};
use crate::output::note;

/// A case about kills.
#[derive(Clone, Copy)]
pub enum Kills {
    /// One kill in the midst of much work.
    Crash,
    /// A history with kills in it.
    History,
}

/// Every such case, with its promise.
pub const CASES: [(&str, &str); 2] = [(crash::NAME, crash::PROMISE), (killed::NAME, killed::PROMISE)];

/// The case of a name, if it is one about kills.
pub fn find(name: &str) -> Option<Kills> {
    match name {
        crash::NAME => Some(Kills::Crash),
        killed::NAME => Some(Kills::History),
        _ => None,
    }
}

/// Runs a case in as many processes as it takes.
///
/// # Errors
/// See [`Lost`].
pub fn ask(case: &OneCase) -> Result<Outcome, Lost> {
    let mut found = None;
    loop {
        let outcome = case.ask_once(found.is_some());
        let notes = std::fs::read(noted(case)).ok();
        match outcome {
            // That is how a process ends that has noted down what the next is to find. One that leaves the notes
            // as it found them has died before it began.
            Err(Lost::Ended(..)) if notes.is_some() && notes != found => found = notes,
            outcome => return outcome,
        }
    }
}

/// Looks for a history with kills that the store does not live through, each in a directory of its own.
///
/// # Errors
/// A process could not be started, or a file not be written.
pub fn search(case: &OneCase) -> std::io::Result<Verdict> {
    let mut search = Search::new(Kind::OverKills, &case.effort.of_the_kit());
    while let Some(steps) = search.history() {
        let directory = tempfile::TempDir::with_prefix_in("history-", &case.data_dir)?;
        let case = OneCase { data_dir: directory.path().to_owned(), ..case.clone() };
        std::fs::write(steps_of(&case), serde_json::to_vec(&steps)?)?;
        let outcome = match ask(&case) {
            Ok(outcome) => outcome.told.outcome(),
            Err(Lost::System(error)) => return Err(error),
            Err(lost) => Err(Failure::Broken(format!("the library {lost}"))),
        };
        search.told(steps, outcome);
    }
    Ok(search.verdict().into())
}

/// What the killed process has noted down for the next.
fn noted(case: &OneCase) -> PathBuf {
    case.data_dir.join("noted.json")
}

/// The history that is lived through.
fn steps_of(case: &OneCase) -> PathBuf {
    case.data_dir.join("history.json")
}

impl Kills {
    /// Runs in this process what is to be run before a kill, or after it.
    ///
    /// # Errors
    /// The pool cannot be opened, or the notes not be read.
    pub async fn run(self, case: &OneCase, library: Library, clock: TestClock) -> Result<Report, String> {
        let begun = Instant::now();
        let pool = library.open_pool(case.arguments()).await.map_err(|error| unopened(&error))?;
        let bench = PoolBench { pool, clock, reopen: None, effort: case.effort.of_the_kit() };
        let verdict = match self {
            Kills::Crash if case.after_kill => crash::check(bench, &take(noted(case))?).await.into(),
            Kills::Crash => crash::work(bench, |notes| note_and_end(case, notes)).await.into(),
            Kills::History => {
                let steps: Vec<history::Step> = read(&steps_of(case))?;
                let saved = if case.after_kill { Some(take(noted(case))?) } else { None };
                killed::live(bench, &steps, saved, |saved| note_and_end(case, saved)).await.into()
            }
        };
        let (name, promise) = CASES[self as usize];
        Ok(Report { name, promise, verdict, took: begun.elapsed() })
    }
}

/// Ends the process as a kill does: nothing of it runs any more.
fn note_and_end(case: &OneCase, notes: &impl Serialize) {
    let written = serde_json::to_vec(notes).map_err(Into::into).and_then(|notes| std::fs::write(noted(case), notes));
    if let Err(error) = written {
        note(format_args!("what was acknowledged cannot be noted down: {error}"));
    }
    std::process::abort();
}

/// Reads notes, once: who ends without new ones was not killed by the kit.
fn take<T: DeserializeOwned>(path: PathBuf) -> Result<T, String> {
    let notes = read(&path)?;
    std::fs::remove_file(&path).map_err(|error| format!("the notes cannot be removed: {error}"))?;
    Ok(notes)
}

fn read<T: DeserializeOwned>(path: &PathBuf) -> Result<T, String> {
    let notes = std::fs::read(path).map_err(|error| format!("the notes cannot be read: {error}"))?;
    serde_json::from_slice(&notes).map_err(|error| format!("the notes are spoilt: {error}"))
}
