//! What plugins count of themselves, under a prefix and with the plugin's name, and no more of it
//! than is good for the host.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, RwLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, Histogram, HistogramOpts, IntCounterVec, Opts, Registry};
use sukkal_plugin_sdk::load::{Metric, MetricValue};

use super::{Error, SECONDS, register};

/// How many series one plugin may have.
const MAX_SERIES: usize = 1_000;
/// The longest name or label, in bytes.
const MAX_TEXT: usize = 128;
/// Bounds of the buckets for what is no duration.
const AMOUNTS: [f64; 16] = [
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    50.0,
    100.0,
    200.0,
    500.0,
    1_000.0,
    2_000.0,
    5_000.0,
    10_000.0,
    100_000.0,
    1_000_000.0,
    10_000_000.0,
];

/// The series of all plugins.
pub struct PluginMetrics {
    series: &'static Kept,
    dropped: IntCounterVec,
    told: Mutex<HashSet<String>>,
}

/// What is there, by plugin, name and labels in one text.
#[derive(Default)]
struct Kept(RwLock<Series>);

#[derive(Default)]
struct Series {
    by_key: HashMap<String, One>,
    /// How many each plugin has.
    n_of: HashMap<String, usize>,
    /// A name means one kind of metric, whichever plugins use it.
    kinds: HashMap<String, Kind>,
}

#[derive(Clone)]
enum One {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl PluginMetrics {
    /// Nothing is counted yet.
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        // A registry owns its collectors; there is one for the life of the process.
        let series: &'static Kept = Box::leak(Box::default());
        registry.register(Box::new(Reader(series)))?;
        let dropped = Opts::new(
            "sukkal_plugin_metrics_dropped_total",
            "Values of plugins' metrics that were not taken: too many series, or malformed.",
        );
        let dropped = register(registry, &IntCounterVec::new(dropped, &["plugin"])?)?;
        Ok(PluginMetrics { series, dropped, told: Mutex::default() })
    }

    /// Takes a value.
    pub fn take(&self, metric: &Metric<'_>) {
        if let Err(reason) = self.series.take(metric) {
            self.dropped.with_label_values(&[metric.plugin]).inc();
            let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if told.insert(metric.plugin.to_owned()) {
                let (plugin, name) = (metric.plugin, metric.name.get(..MAX_TEXT).unwrap_or(metric.name));
                tracing::warn!(plugin, name, "a metric of the plugin is not taken, {reason}; told once");
            }
        }
    }
}

impl Kept {
    fn take(&self, metric: &Metric<'_>) -> Result<(), String> {
        let (MetricValue::Count(value) | MetricValue::Gauge(value) | MetricValue::Record(value)) = metric.value;
        if !value.is_finite() || (kind(metric.value) == Kind::Counter && value < 0.0) {
            return Err("its value is none that can be counted".to_owned());
        }
        let key = key(metric);
        let read = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(one) = read.by_key.get(&key) {
            return one.add(metric.value);
        }
        drop(read);
        let mut series = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        series.one(key, metric)?.add(metric.value)
    }
}

impl Series {
    fn one(&mut self, key: String, metric: &Metric<'_>) -> Result<One, String> {
        if let Some(one) = self.by_key.get(&key) {
            return Ok(one.clone());
        }
        let n_series = self.n_of.entry(metric.plugin.to_owned()).or_default();
        if *n_series >= MAX_SERIES {
            return Err(format!("it has {MAX_SERIES} series already"));
        }
        let one = make(metric)?;
        let kind = self.kinds.entry(metric.name.to_owned()).or_insert_with(|| kind(metric.value));
        if !one.is(*kind) {
            return Err("the name stands for another kind of metric".to_owned());
        }
        *n_series += 1;
        self.by_key.insert(key, one.clone());
        Ok(one)
    }
}

fn make(metric: &Metric<'_>) -> Result<One, String> {
    let texts = metric.labels.iter().flat_map(|(name, value)| [*name, *value]).chain([metric.name]);
    if texts.into_iter().any(|text| text.len() > MAX_TEXT || text.contains(char::is_control)) {
        return Err(format!("its name or a label is longer than {MAX_TEXT} bytes, or no plain text"));
    }
    let name = format!("sukkal_plugin_{}", metric.name);
    let labels: HashMap<String, String> = [("plugin", metric.plugin)]
        .into_iter()
        .chain(metric.labels.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // One of the plugin's own is called `plugin`, or two are called the same.
    if labels.len() != metric.labels.len() + 1 || labels.contains_key("le") {
        return Err("a label's name is taken".to_owned());
    }
    let opts = Opts::new(name, "Counted by a plugin.").const_labels(labels);
    let made = match kind(metric.value) {
        Kind::Counter => Counter::with_opts(opts).map(One::Counter),
        Kind::Gauge => Gauge::with_opts(opts).map(One::Gauge),
        Kind::Histogram => {
            let buckets = if metric.name.ends_with("_seconds") { SECONDS.to_vec() } else { AMOUNTS.to_vec() };
            Histogram::with_opts(HistogramOpts::from(opts).buckets(buckets)).map(One::Histogram)
        }
    };
    made.map_err(|error| error.to_string())
}

impl One {
    fn is(&self, kind: Kind) -> bool {
        let own = match self {
            One::Counter(_) => Kind::Counter,
            One::Gauge(_) => Kind::Gauge,
            One::Histogram(_) => Kind::Histogram,
        };
        own == kind
    }

    fn add(&self, value: MetricValue) -> Result<(), String> {
        match (self, value) {
            (One::Counter(counter), MetricValue::Count(by)) => counter.inc_by(by),
            (One::Gauge(gauge), MetricValue::Gauge(value)) => gauge.set(value),
            (One::Histogram(histogram), MetricValue::Record(value)) => histogram.observe(value),
            _ => return Err("the name stands for another kind of metric".to_owned()),
        }
        Ok(())
    }

    fn collect(&self) -> Vec<MetricFamily> {
        match self {
            One::Counter(counter) => counter.collect(),
            One::Gauge(gauge) => gauge.collect(),
            One::Histogram(histogram) => histogram.collect(),
        }
    }
}

fn kind(value: MetricValue) -> Kind {
    match value {
        MetricValue::Count(_) => Kind::Counter,
        MetricValue::Gauge(_) => Kind::Gauge,
        MetricValue::Record(_) => Kind::Histogram,
    }
}

/// Plugin, name and labels in one text; the separators occur in none that is taken.
fn key(metric: &Metric<'_>) -> String {
    let mut key = format!("{}\u{1f}{}", metric.plugin, metric.name);
    for (name, value) in &metric.labels {
        key.extend(["\u{1f}", name, "\u{1e}", value]);
    }
    key
}

/// Shows the series to the registry.
struct Reader(&'static Kept);

impl Collector for Reader {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let series = self.0.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        series.by_key.values().flat_map(One::collect).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric<'a>(name: &'a str, labels: &[(&'a str, &'a str)], value: MetricValue) -> Metric<'a> {
        Metric { plugin: "p", name, labels: labels.to_vec(), value }
    }

    fn families(kept: &Kept) -> usize {
        kept.0.read().unwrap().by_key.len()
    }

    #[test]
    fn a_plugin_has_no_more_series_than_it_may() {
        let kept = Kept::default();
        for number in 0..MAX_SERIES + 5 {
            let text = number.to_string();
            let taken = kept.take(&metric("hits_total", &[("who", &text)], MetricValue::Count(1.0)));
            assert_eq!(taken.is_ok(), number < MAX_SERIES, "{number}");
        }
        assert_eq!(families(&kept), MAX_SERIES);
        assert!(kept.take(&metric("hits_total", &[("who", "7")], MetricValue::Count(1.0))).is_ok());
    }

    #[test]
    fn what_prometheus_would_not_read_is_not_taken() {
        let kept = Kept::default();
        let long = "x".repeat(MAX_TEXT + 1);
        let refused = [
            metric("no name", &[], MetricValue::Count(1.0)),
            metric("a", &[("no-label", "x")], MetricValue::Count(1.0)),
            metric("a", &[("plugin", "other")], MetricValue::Count(1.0)),
            metric("a", &[("twice", "x"), ("twice", "y")], MetricValue::Count(1.0)),
            metric("a", &[("le", "x")], MetricValue::Record(1.0)),
            metric("a", &[("long", &long)], MetricValue::Gauge(1.0)),
            metric(&long, &[], MetricValue::Gauge(1.0)),
            metric("a", &[], MetricValue::Count(-1.0)),
            metric("a", &[], MetricValue::Gauge(f64::NAN)),
        ];
        for metric in refused {
            assert!(kept.take(&metric).is_err(), "{} {:?}", metric.name, metric.labels);
        }
        assert_eq!(families(&kept), 0);
        kept.take(&metric("a", &[], MetricValue::Count(1.0))).unwrap();
        assert!(kept.take(&metric("a", &[], MetricValue::Gauge(1.0))).is_err());
        assert!(kept.take(&metric("a", &[("b", "c")], MetricValue::Gauge(1.0))).is_err());
    }
}
