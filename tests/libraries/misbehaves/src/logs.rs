//! Logging in every way that authors know.

use tracing::Instrument;

/// Logs at every level, with fields and spans, from a hook, a task and a thread.
pub async fn all() {
    tracing::error!(number = 1, "an error");
    tracing::warn!(text = "two", "a warning");
    tracing::info!(number = 3, text = "three", "a notice");
    tracing::debug!("a detail");
    tracing::trace!("a trifle");
    log::error!("an error of log");
    log::warn!("a warning of log");
    log::info!("a notice of log");
    log::debug!("a detail of log");
    log::trace!("a trifle of log");
    async {
        tokio::task::yield_now().await;
        tracing::info!(inner = 5, "a notice in a span");
    }
    .instrument(tracing::info_span!("outside", outer = 6))
    .await;
    // A task that fails to run is missed by the test.
    let _ = tokio::spawn(async { tracing::info!("a notice of a task") }).await;
    let _ = tokio::task::spawn_blocking(|| std::thread::spawn(|| tracing::info!("a notice of a thread")).join()).await;
}
