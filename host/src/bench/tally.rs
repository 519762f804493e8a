//! What a measurement counts.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::fault::Fault;

/// Latencies are kept to three digits.
const DIGITS: u8 = 3;
/// Anything slower counts as this slow: an hour, which no time-out exceeds.
const SLOWEST: Duration = Duration::from_secs(3_600);

/// How long pieces of work took, and what went wrong.
#[derive(Debug)]
pub struct Tally {
    nanos: Histogram<u64>,
    /// By name: how often, and what the server said of it first.
    faults: BTreeMap<String, (u64, String)>,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Tally {
        // The bounds are constants that are sound; without them it would grow as needed.
        let nanos = Histogram::new_with_bounds(1, SLOWEST.as_nanos() as u64, DIGITS);
        #[expect(clippy::expect_used, reason = "constants that are sound")]
        Tally { nanos: nanos.expect("sound bounds"), faults: BTreeMap::new() }
    }

    /// A piece of work was done in this time.
    pub fn done(&mut self, took: Duration) {
        self.nanos.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// A piece of work failed.
    pub fn failed(&mut self, fault: Fault) {
        let entry = self.faults.entry(fault.name()).or_insert_with(|| (0, fault.reason().to_owned()));
        entry.0 += 1;
    }

    /// How much was done.
    pub fn n_done(&self) -> u64 {
        self.nanos.len()
    }

    /// What went wrong, and how often.
    pub fn faults(&self) -> impl Iterator<Item = (&str, u64)> {
        self.faults.iter().map(|(name, (count, _))| (name.as_str(), *count))
    }

    /// The same for people, with the server's words; empty where nothing went wrong.
    pub fn faults_in_words(&self) -> String {
        let words = self.faults.iter().map(|(name, (count, reason))| match reason.as_str() {
            "" => format!("{count} × {name}"),
            reason => format!("{count} × {name} ({reason})"),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// The time that such a share (0 to 1) of the work did not exceed, in milliseconds.
    pub fn millis_at(&self, share: f64) -> f64 {
        millis(self.nanos.value_at_quantile(share) as f64)
    }

    /// The mean time, in milliseconds.
    pub fn mean_millis(&self) -> f64 {
        millis(self.nanos.mean())
    }
}

fn millis(nanos: f64) -> f64 {
    nanos / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_that_was_done() {
        let mut tally = Tally::new();
        (1..=1000).for_each(|micros| tally.done(Duration::from_micros(micros)));
        tally.done(Duration::from_secs(10_000));
        assert_eq!(tally.n_done(), 1001);
        assert!((tally.millis_at(0.5) - 0.5).abs() < 0.002, "{}", tally.millis_at(0.5));
        assert!(tally.millis_at(1.0) > 3_599_000.0, "{}", tally.millis_at(1.0));
    }
}
