//! Holds the stores of a library to the promises of their contracts: the SDK's conformance kit, each
//! case in a process of its own.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use sukkal_plugin_sdk::conformance::{self, Report, Verdict};

use super::child;
use super::inspect::inspect;
use super::kills;
use super::options::{Effort, Opening};
use super::registry::Kind;
use super::run_case::{OPENING, OneCase};
use crate::config::{masked_uri, scheme};
use crate::output;

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
    #[command(flatten)]
    effort: Effort,
    /// Tell each case as a line of JSON.
    #[arg(long)]
    json: bool,
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
/// Nothing could be run, or a signal ended it; in one line.
pub fn verify(options: &Options) -> Result<bool, String> {
    child::heed_signals().map_err(|error| format!("signals cannot be handled: {error}"))?;
    let stores = match &options.uri {
        Some(uri) => options.opened(uri, stores(options)?)?,
        None => options.fit(stores(options)?)?,
    };
    let mut tally = Tally::default();
    for store in &stores {
        if !options.json {
            tell(format_args!("{} {}", store.kind.name(), masked_uri(&store.uri)))?;
        }
        for (name, promise) in &store.cases {
            let report = options.run(store, name, promise)?;
            tally.count(&report.verdict);
            if options.json { tell(as_json(store, &report))? } else { tell(report)? }
        }
    }
    let Tally { passed, failed, not_offered } = tally;
    if options.json {
        tell(json!({ "passed": passed, "failed": failed, "not_offered": not_offered }))?;
    } else {
        tell(format_args!("{passed} passed, {failed} failed, {not_offered} not offered"))?;
    }
    Ok(failed == 0)
}

/// Prints a line; the cases go on when nobody reads on.
fn tell(line: impl fmt::Display) -> Result<(), String> {
    output::tell(line).map_err(|unprinted| unprinted.to_string())
}

/// What of the library is to be verified.
fn stores(options: &Options) -> Result<Vec<Store>, String> {
    let library = inspect(&options.file).map_err(|refusal| refusal.to_string())?;
    let wanted = options.uri.as_deref().map(|uri| scheme(uri).ok_or_else(|| format!("`{uri}` is no URI")));
    let wanted = wanted.transpose()?;
    let mut stores = Vec::new();
    let there: Vec<(Kind, &str)> = library.provides().filter(|(kind, _)| !cases(*kind).is_empty()).collect();
    let named = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    for &(kind, name) in there.iter().filter(|(_, name)| named(name)) {
        let mut cases = cases(kind);
        cases.retain(|(case, _)| options.case.as_ref().is_none_or(|pattern| pattern.matches(case)));
        if !cases.is_empty() {
            let uri = options.uri.clone().unwrap_or_else(|| format!("{name}:verify.db"));
            stores.push(Store { kind, uri, cases });
        }
    }
    if stores.is_empty() {
        return Err(format!("{}: nothing to verify: {}", options.file.display(), missing(options, &there)));
    }
    Ok(stores)
}

/// Why nothing is to be verified of a library with these pools and catalogs, and what to do.
fn missing(options: &Options, there: &[(Kind, &str)]) -> String {
    let names: Vec<String> = there.iter().map(|(kind, name)| format!("{} {name}", kind.name())).collect();
    match (&options.uri, &options.case) {
        _ if names.is_empty() => {
            "it has no pool and no catalog; filters and notifiers are tested by `cargo test`".to_owned()
        }
        (Some(uri), _) if !there.iter().any(|(_, name)| scheme(uri) == Some(*name)) => {
            format!("no pool and no catalog of it has the scheme of {}; it has: {}", masked_uri(uri), names.join(", "))
        }
        (_, Some(case)) => format!("it has no case that {case} names; without --case all are run, each with its name"),
        _ => "there are no cases".to_owned(),
    }
}

/// The cases for a kind, with their promises.
fn cases(kind: Kind) -> Vec<(&'static str, &'static str)> {
    match kind {
        Kind::Pool => {
            let cases = conformance::pool_cases().into_iter().map(|case| (case.name, case.promise));
            cases.chain(kills::CASES).collect()
        }
        Kind::Catalog => conformance::catalog_cases().iter().map(|case| (case.name, case.promise)).collect(),
        Kind::Filter | Kind::Notifier => Vec::new(),
    }
}

impl Options {
    /// Of the stores that a URI may name, those that it does. What is wrong with it would fail each case alike.
    fn opened(&self, uri: &str, mut stores: Vec<Store>) -> Result<Vec<Store>, String> {
        let uri = masked_uri(uri);
        // A file that is not there yet is made as what it is opened as first.
        stores.sort_by_key(|store| store.kind != Kind::Pool);
        let (mut opened, mut others) = (Vec::new(), Vec::new());
        for store in stores {
            match self.ask(&store, OPENING)?.0 {
                Verdict::Passed => opened.push(store),
                Verdict::NotOffered(reason) => others.push((store.kind, reason)),
                Verdict::Failed(reason) => return Err(format!("{uri}: {reason}")),
            }
        }
        match others.first() {
            Some((_, reason)) if opened.is_empty() => return Err(format!("{uri}: it cannot be opened: {reason}")),
            _ => {}
        }
        for (kind, reason) in others.iter().filter(|_| !self.json) {
            tell(format_args!("{} {uri}: not verified: {reason}", kind.name()))?;
        }
        Ok(opened)
    }

    /// Stores in files of their own, if they accept the settings: a mistake there breaks no promise.
    fn fit(&self, stores: Vec<Store>) -> Result<Vec<Store>, String> {
        for store in &stores {
            if let (Verdict::NotOffered(reason), _) = self.ask(store, OPENING)? {
                return Err(format!("{} {}: it cannot be opened: {reason}", store.kind.name(), store.uri));
            }
        }
        Ok(stores)
    }

    fn run(&self, store: &Store, name: &'static str, promise: &'static str) -> Result<Report, String> {
        let (verdict, took) = self.ask(store, name)?;
        Ok(Report { name, promise, verdict, took })
    }

    /// Runs a case in a process and a directory of its own.
    fn ask(&self, store: &Store, name: &str) -> Result<(Verdict, Duration), String> {
        let directory = tempfile::TempDir::with_prefix("sukkal-verify-")
            .map_err(|error| format!("no temporary directory can be made: {error}"))?;
        let case = OneCase {
            file: self.file.clone(),
            uri: store.uri.clone(),
            kind: store.kind,
            case: name.to_owned(),
            data_dir: directory.path().to_owned(),
            opening: self.opening.clone(),
            effort: self.effort,
            after_kill: false,
        };
        case.ask().map_err(|error| match error.kind() {
            ErrorKind::Interrupted => "interrupted".to_owned(),
            _ => format!("no process can be started: {error}"),
        })
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
        "ms": report.took.as_millis() as u64, "uri": masked_uri(&store.uri),
    })
}
