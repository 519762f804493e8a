//! Calls of plugins: how many ended how, and how long they took.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};
use sukkal_plugin_sdk::load::{CallObserver, CallOutcome};

use super::{Error, SECONDS, register};

/// The families of one kind of plugin.
pub struct CallFamilies(Arc<Families>);

struct Families {
    calls: IntCounterVec,
    durations: HistogramVec,
    /// How many there are of each store or filter: when one is opened anew, two for a while.
    in_use: Mutex<HashMap<Vec<String>, usize>>,
}

/// The calls of one store or filter. Its series go with the last of it.
pub struct Calls {
    labels: Vec<String>,
    families: Arc<Families>,
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
        Ok(CallFamilies(Arc::new(Families {
            calls: register(registry, &IntCounterVec::new(calls, &of_calls)?)?,
            durations: register(registry, &durations)?,
            in_use: Mutex::default(),
        })))
    }

    /// Those with these labels.
    pub fn calls(&self, labels: &[&str], methods: &[&'static str]) -> Calls {
        let labels: Vec<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        *self.0.in_use().entry(labels.clone()).or_default() += 1;
        let methods = methods.iter().map(|method| (*method, Method::default())).collect();
        Calls { labels, families: self.0.clone(), methods }
    }
}

impl Families {
    fn in_use(&self) -> MutexGuard<'_, HashMap<Vec<String>, usize>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
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
        let families = &self.families;
        let duration = series.duration.get_or_init(|| families.durations.with_label_values(&self.labels(&[method])));
        duration.observe(took.as_secs_f64());
        let count = || families.calls.with_label_values(&self.labels(&[method, outcome.name()]));
        series.outcomes[outcome as usize].get_or_init(count).inc();
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        let mut in_use = self.families.in_use();
        match in_use.get_mut(&self.labels) {
            Some(n_calls @ 2..) => *n_calls -= 1,
            _ => {
                in_use.remove(&self.labels);
                // Of others before it too: what was never counted is not there.
                for method in self.methods.keys() {
                    let _ = self.families.durations.remove_label_values(&self.labels(&[method]));
                    for outcome in CallOutcome::ALL {
                        let _ = self.families.calls.remove_label_values(&self.labels(&[method, outcome.name()]));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_a_store_go_with_the_last_that_counts_it() {
        let registry = Registry::new();
        let families = CallFamilies::new(&registry, "store", "method", &["store"]).expect("they are sound");
        let counted = || registry.gather().iter().map(|family| family.get_metric().len()).collect::<Vec<_>>();
        let count = |calls: &Calls| calls.ended("get", Duration::from_millis(1), CallOutcome::Ok);
        let [before, other] = ["p", "q"].map(|store| families.calls(&[store], &["get"]));
        [&before, &other].into_iter().for_each(count);
        let anew = families.calls(&["p"], &["get"]);
        count(&anew);
        drop(before);
        count(&anew);
        assert_eq!(counted(), [2, 2], "one of each for either store");
        drop(anew);
        assert_eq!(counted(), [1, 1]);
        let again = families.calls(&["p"], &["get"]);
        count(&again);
        assert_eq!(counted(), [2, 2]);
    }

    #[test]
    fn outcomes_are_found_by_their_place() {
        for (place, outcome) in CallOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }
}
