//! Calls of plugins: how many ended how, and how long they took.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};
use sukkal_plugin_sdk::load::{CallObserver, CallOutcome};

use super::{Error, SECONDS, register};

/// The families of one kind of plugin.
pub struct CallFamilies {
    calls: IntCounterVec,
    durations: HistogramVec,
}

/// The calls of one store or filter.
pub struct Calls {
    labels: Vec<String>,
    calls: IntCounterVec,
    durations: HistogramVec,
    methods: HashMap<&'static str, Method>,
}

/// The series of one method, made at their first use.
#[derive(Default)]
struct Method {
    duration: OnceLock<Histogram>,
    outcomes: [OnceLock<IntCounter>; CallOutcome::ALL.len()],
}

impl CallFamilies {
    /// `sukkal_KIND_calls_total` and `sukkal_KIND_call_duration_seconds`, with a label for the method.
    pub fn new(registry: &Registry, kind: &str, method: &str, labels: &[&str]) -> Result<Self, Error> {
        let of_duration = [labels, &[method]].concat();
        let of_calls = [labels, &[method, "outcome"]].concat();
        let calls = Opts::new(format!("sukkal_{kind}_calls_total"), format!("Calls of each {kind}, by outcome."));
        let name = format!("sukkal_{kind}_call_duration_seconds");
        let durations = HistogramOpts::new(name, format!("How long calls of each {kind} took."));
        let durations = HistogramVec::new(durations.buckets(SECONDS.to_vec()), &of_duration)?;
        Ok(CallFamilies {
            calls: register(registry, &IntCounterVec::new(calls, &of_calls)?)?,
            durations: register(registry, &durations)?,
        })
    }

    /// Those with these labels.
    pub fn calls(&self, labels: &[&str], methods: &[&'static str]) -> Calls {
        Calls {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            calls: self.calls.clone(),
            durations: self.durations.clone(),
            methods: methods.iter().map(|method| (*method, Method::default())).collect(),
        }
    }
}

impl Calls {
    fn labels<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.labels.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }
}

impl CallObserver for Calls {
    fn ended(&self, method: &'static str, took: Duration, outcome: CallOutcome) {
        let Some(series) = self.methods.get(method) else { return };
        let duration = series.duration.get_or_init(|| self.durations.with_label_values(&self.labels(&[method])));
        duration.observe(took.as_secs_f64());
        let count = || self.calls.with_label_values(&self.labels(&[method, outcome.name()]));
        series.outcomes[outcome as usize].get_or_init(count).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_found_by_their_place() {
        for (place, outcome) in CallOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }
}
