//! Metrics as Prometheus reads them.

use std::collections::{BTreeMap, BTreeSet};

use crate::rest::Client;

/// What one read of a page of metrics gave.
#[derive(Debug)]
pub struct Scrape {
    samples: Vec<Sample>,
    kinds: BTreeMap<String, String>,
}

/// One value.
#[derive(Debug)]
pub struct Sample {
    /// The metric's name, with `_bucket`, `_sum` or `_count` where it is part of a histogram.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Scrape {
    /// Reads a page.
    pub async fn of(pages: &Client, path: &str) -> Scrape {
        let answer = pages.get(path).await.expect(200);
        assert!(answer.header("content-type").starts_with("text/plain"), "{}", answer.header("content-type"));
        Scrape::parse(&answer.text())
    }

    /// Reads the text format.
    ///
    /// # Panics
    /// When a line is out of form.
    pub fn parse(text: &str) -> Scrape {
        let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let kinds = kinds.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Scrape { samples: lines.map(sample).collect(), kinds }
    }

    /// The sum of the values of a name that have at least these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.found(name, labels).map(|sample| sample.value).sum()
    }

    /// The values of a name that have at least these labels.
    pub fn found(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        let has =
            |sample: &Sample, (name, value): &(&str, &str)| sample.labels.get(*name).is_some_and(|is| is == value);
        self.samples.iter().filter(move |sample| sample.name == name && labels.iter().all(|label| has(sample, label)))
    }

    /// Every metric, with its kind and the names of its labels; of histograms without `le`.
    pub fn metrics(&self) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let mut metrics = BTreeMap::new();
        for (name, kind) in &self.kinds {
            let parts = ["", "_bucket", "_sum", "_count"].map(|end| format!("{name}{end}"));
            let of_this = self.samples.iter().filter(|sample| parts.contains(&sample.name));
            let labels = of_this.flat_map(|sample| sample.labels.keys()).filter(|label| *label != "le").cloned();
            metrics.insert(name.clone(), (kind.clone(), labels.collect()));
        }
        metrics
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("the labels do not end: {line}"));
    let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    Sample { name: name.to_owned(), labels: labels.collect(), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_is_read() {
        let text = "# HELP a b\n# TYPE a counter\na{x=\"1\",y=\"z, {}\"} 3\na{x=\"2\",y=\"\"} 4\nb 0.5\n";
        let scrape = Scrape::parse(text);
        assert_eq!(scrape.sum("a", &[]), 7.0);
        assert_eq!(scrape.sum("a", &[("y", "z, {}")]), 3.0);
        assert_eq!(scrape.sum("b", &[]), 0.5);
        assert_eq!(scrape.metrics()["a"].1, ["x", "y"].map(str::to_owned).into());
    }
}
