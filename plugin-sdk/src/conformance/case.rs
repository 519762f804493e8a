//! A case is data: a name, a promise, and a function that holds a store to it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::Error;

/// One promise, and how to hold a store to it.
#[derive(Clone, Copy)]
pub struct Case<B> {
    /// Names it for filters and reports: `pool.claim.exclusive`.
    pub name: &'static str,
    /// One sentence: what holds.
    pub promise: &'static str,
    run: fn(B) -> Running,
}

/// What a case works on.
pub trait Bench {
    /// How long a case may take on it.
    fn patience(&self) -> Duration;
}

/// A case on its way.
pub type Running = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Why a store fails a case.
#[derive(Debug)]
pub enum Failure {
    /// It broke the promise; in words.
    Broken(String),
    /// It does not offer what the case is about.
    NotOffered(String),
}

/// What came of one case.
#[derive(Debug)]
pub struct Report {
    /// The case.
    pub name: &'static str,
    /// What it holds a store to.
    pub promise: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

/// How a case went.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The promise held.
    Passed,
    /// It did not; why.
    Failed(String),
    /// The store does not offer what the case is about; what.
    NotOffered(String),
}

impl<B> Case<B> {
    pub(super) const fn new(name: &'static str, promise: &'static str, run: fn(B) -> Running) -> Self {
        Case { name, promise, run }
    }

    /// The report of a case whose store could not be opened.
    pub(super) fn unopened(&self, error: &Error) -> Report {
        let verdict = Verdict::Failed(format!("it cannot be opened: {error}"));
        Report { name: self.name, promise: self.promise, verdict, took: Duration::ZERO }
    }
}

/// Runs one case on a store.
pub async fn run<B: Bench>(case: &Case<B>, bench: B) -> Report {
    let start = Instant::now();
    let patience = bench.patience();
    // A task of its own, so that a panic in the case is a failure of the case.
    let task = tokio::spawn((case.run)(bench));
    let verdict = match tokio::time::timeout(patience, task).await {
        Ok(Ok(outcome)) => outcome.into(),
        Ok(Err(error)) => Verdict::Failed(error.to_string()),
        Err(_) => Verdict::Failed(format!("no answer within {} s", patience.as_secs())),
    };
    Report { name: case.name, promise: case.promise, verdict, took: start.elapsed() }
}

impl From<Result<(), Failure>> for Verdict {
    fn from(outcome: Result<(), Failure>) -> Self {
        match outcome {
            Ok(()) => Verdict::Passed,
            Err(Failure::Broken(reason)) => Verdict::Failed(reason),
            Err(Failure::NotOffered(what)) => Verdict::NotOffered(what),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind {
            crate::ErrorKind::Unsupported => Failure::NotOffered(error.to_string()),
            kind => Failure::Broken(format!("a call failed: {kind:?}: {error}")),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = self.took.as_millis();
        match &self.verdict {
            Verdict::Passed => write!(f, "ok    {} ({took} ms)", self.name),
            Verdict::Failed(reason) => {
                // Further lines are a sequence that shows it.
                let mut lines = reason.lines();
                let first = lines.next().unwrap_or_default();
                write!(f, "FAIL  {} ({took} ms): {first} (promised: {})", self.name, self.promise)?;
                lines.try_for_each(|line| write!(f, "\n      {line}"))
            }
            Verdict::NotOffered(what) => write!(f, "-     {}: {what}", self.name),
        }
    }
}

/// Fails the case unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err($crate::conformance::Failure::Broken(format!($($reason)+)));
        }
    };
}

/// Fails the case unless two values are equal.
macro_rules! ensure_eq {
    ($left:expr, $right:expr, $($what:tt)+) => {{
        let (left, right) = (&$left, &$right);
        if left != right {
            let what = format!($($what)+);
            return Err($crate::conformance::Failure::Broken(format!("{what}: {left:?}, expected {right:?}")));
        }
    }};
}

/// Lists the cases of a file: name, promise, function.
macro_rules! cases {
    ($bench:ty: $($name:literal $run:ident $promise:literal)+) => {
        /// The cases of this file.
        pub fn cases() -> Vec<$crate::conformance::Case<$bench>> {
            vec![$($crate::conformance::Case::new($name, $promise, |bench| Box::pin($run(bench)))),+]
        }
    };
}

pub(super) use {cases, ensure, ensure_eq};
