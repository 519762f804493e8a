//! Metrics as text.

use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;

/// Prometheus' text format. What cannot be written is told in the log, and left out.
pub fn text(families: &[MetricFamily]) -> String {
    let mut text = String::new();
    if let Err(error) = TextEncoder::new().encode_utf8(families, &mut text) {
        tracing::error!(%error, "the metrics could not be written");
    }
    text
}
