//! `cargo xtask test`: every check and every test, as CI runs them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::{prepare, project, tidy};

/// Runs all checks and tests, whatever fails on the way, and prints the sum as the last line.
pub fn run() -> Result<(), Failure> {
    prepare::machine()?;
    let mut tally = Tally::default();
    tally.check("rustfmt", project::run(&mut project::cargo("fmt --all --check")));
    let libraries = "fmt --all --check --manifest-path tests/libraries/Cargo.toml";
    tally.check("rustfmt of tests/libraries", project::run(&mut project::cargo(libraries)));
    tally.check("tidy", tidy::run());
    tally.check("clippy", project::run(&mut project::cargo("clippy --workspace --all-targets -- -D warnings")));
    let prepared = prepare::run();
    let builds = prepared.is_ok();
    tally.check("prepare", prepared);
    if builds {
        let mut nextest = project::cargo("nextest run --workspace --no-fail-fast --color never");
        tally.suite("nextest", followed(&mut nextest, Stream::Stderr, nextest_summary));
        let mut doctests = project::cargo("test --doc --workspace --no-fail-fast");
        tally.suite("doctests", followed(&mut doctests, Stream::Stdout, libtest_summary));
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    match tally.failed {
        0 => Ok(()),
        _ => Err(Failure::Found(format!("failed: {}", tally.failures.join(", ")))),
    }
}

#[derive(Debug, Default)]
struct Tally {
    passed: u32,
    failed: u32,
    failures: Vec<String>,
}

impl Tally {
    /// A check counts as one test.
    fn check(&mut self, name: &str, outcome: Result<(), Failure>) {
        self.suite(name, outcome.map(|()| Count { passed: 1, failed: 0 }));
    }

    /// A suite that did not end well counts as a failure even when no test of it does.
    fn suite(&mut self, name: &str, outcome: Result<Count, Failure>) {
        let count = outcome.unwrap_or_else(|failure| {
            eprintln!("{name}: {failure}");
            Count { passed: 0, failed: 1 }
        });
        self.passed += count.passed;
        self.failed += count.failed;
        if count.failed > 0 {
            self.failures.push(name.to_owned());
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    passed: u32,
    failed: u32,
}

/// Which stream of a command holds its summary.
enum Stream {
    Stdout,
    Stderr,
}

/// Runs a command, shows what it prints, and adds up the counts found in its lines.
fn followed(command: &mut Command, stream: Stream, summary: fn(&str) -> Option<Count>) -> Result<Count, Failure> {
    match stream {
        Stream::Stdout => command.stdout(Stdio::piped()),
        Stream::Stderr => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().map_err(|error| project::unstartable(command, &error))?;
    let mut total = Count::default();
    let lines: Box<dyn BufRead> = match (child.stdout.take(), child.stderr.take()) {
        (Some(stdout), _) => Box::new(BufReader::new(stdout)),
        (None, Some(stderr)) => Box::new(BufReader::new(stderr)),
        (None, None) => Box::new(std::io::empty()),
    };
    for line in lines.split(b'\n') {
        let line = line.map_err(Failure::io("cannot read a test's output"))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(count) = summary(&line) {
            total.passed += count.passed;
            total.failed += count.failed;
        }
    }
    let status = child.wait().map_err(Failure::io("cannot wait for a test run"))?;
    if !status.success() {
        total.failed = total.failed.max(1);
    }
    Ok(total)
}

/// `Summary [ 1.2s] 7 tests run: 5 passed (1 slow), 1 failed, 1 timed out, 0 skipped`
fn nextest_summary(line: &str) -> Option<Count> {
    let (_, rest) = line.trim_start().strip_prefix("Summary [")?.split_once(']')?;
    let (run, outcomes) = rest.split_once(" run: ")?;
    let run = run.split_whitespace().next()?.split('/').next()?.parse::<u32>().ok()?;
    let passed = number_before(outcomes, " passed").unwrap_or(0);
    Some(Count { passed, failed: run.saturating_sub(passed) })
}

/// `test result: FAILED. 3 passed; 1 failed; 0 ignored; …`
fn libtest_summary(line: &str) -> Option<Count> {
    let counts = line.strip_prefix("test result: ")?;
    Some(Count { passed: number_before(counts, " passed")?, failed: number_before(counts, " failed")? })
}

fn number_before(text: &str, word: &str) -> Option<u32> {
    let (before, _) = text.split_once(word)?;
    before.rsplit(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_nextest_are_counted() {
        let all = nextest_summary("     Summary [   0.012s] 3 tests run: 3 passed, 0 skipped");
        assert_eq!(all, Some(Count { passed: 3, failed: 0 }));
        let some = nextest_summary("Summary [ 9.1s] 7 tests run: 5 passed (1 slow), 1 failed, 1 timed out, 2 skipped");
        assert_eq!(some, Some(Count { passed: 5, failed: 2 }));
        assert_eq!(nextest_summary("        PASS [   0.004s] sukkal-tests::suites posting::order"), None);
    }

    #[test]
    fn summaries_of_libtest_are_counted() {
        let counted = libtest_summary("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(counted, Some(Count { passed: 3, failed: 1 }));
    }
}
