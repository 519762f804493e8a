//! A plugin's own surroundings: its small runtime, its logs and panics on their way to the host.

use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::runtime::{EnterGuard, Runtime};
use tracing::field::{Field, Visit};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, reload};

use crate::RequestId;
use crate::abi::host::LibraryHost;

static HOST: OnceLock<LibraryHost> = OnceLock::new();
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
/// Held while the runtime is made: of two that are made at once one would end, on a thread of the host's.
static STARTING: Mutex<()> = Mutex::new(());

thread_local! {
    static CURRENT: Cell<RequestId> = const { Cell::new(RequestId(0)) };
}

/// The host of this library, once it has been told.
pub(crate) fn host() -> Option<&'static LibraryHost> {
    HOST.get()
}

/// Called once, when the library is loaded: from here on its logs and panics reach the host.
pub(crate) fn start(host: LibraryHost) {
    if start_logs(host) {
        std::panic::set_hook(Box::new(|panic| {
            tracing::error!(target: "panic", "{panic}");
        }));
    }
}

/// From here on the logs of this library reach the host; false, if they do already.
pub(crate) fn start_logs(host: LibraryHost) -> bool {
    let level = host.max_level();
    if HOST.set(host).is_err() {
        return false;
    }
    let (filter, handle) = reload::Layer::new(level);
    let _ = LEVEL.set(handle);
    let subscriber = tracing_subscriber::registry().with(ToHost.with_filter(filter));
    // Both fail only if the author has set his own, which is his to do.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let _ = tracing_log::LogTracer::init();
    true
}

/// Called when the operator wants more or less of the library's log.
pub(crate) fn set_log_level(level: LevelFilter) {
    if let Some(handle) = LEVEL.get() {
        // Fails only where the author has set a subscriber of his own.
        let _ = handle.reload(level);
    }
}

/// Called when something of the library is opened: one worker thread, unless the author opted out.
pub(crate) fn start_runtime(wanted: bool, plugin: &str) -> std::io::Result<()> {
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if RUNTIME.get().is_some() {
        return Ok(());
    }
    let runtime = if wanted {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).max_blocking_threads(32).enable_all();
        Some(builder.thread_name(format!("plugin {plugin}")).build()?)
    } else {
        None
    };
    let _ = RUNTIME.set(runtime);
    Ok(())
}

/// Makes the plugin's runtime the current one, so that spawning, timers and sockets just work.
pub(crate) fn enter() -> Option<EnterGuard<'static>> {
    RUNTIME.get()?.as_ref().map(Runtime::enter)
}

/// Names the request on whose behalf this thread runs, for as long as it lives.
pub(crate) struct Current(RequestId);

impl Current {
    pub(crate) fn set(request: RequestId) -> Self {
        Current(CURRENT.replace(request))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Hands every event to the host: level, target, text, and the fields of it and of its spans.
struct ToHost;

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ToHost {
    fn on_new_span(&self, attributes: &tracing::span::Attributes<'_>, id: &tracing::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut line = Line::default();
            attributes.record(&mut line);
            span.extensions_mut().insert(line);
        }
    }

    fn on_record(&self, id: &tracing::Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(line) = span.extensions_mut().get_mut::<Line>()
        {
            values.record(line);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let Some(host) = host() else { return };
        use tracing_log::NormalizeEvent as _;
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut line = Line::default();
        event.record(&mut line);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Line>() {
                line.fields.push_str(&of_span.fields);
            }
        }
        host.log(*metadata.level(), metadata.target(), &line.text, &line.fields, CURRENT.get());
    }
}

#[derive(Default)]
struct Line {
    text: String,
    /// ` name=value` for each.
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.text.push_str(value),
            name if name.starts_with("log.") => {}
            name => {
                let _ = write!(self.fields, " {name}={value}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => {
                let _ = write!(self.text, "{value:?}");
            }
            name if name.starts_with("log.") => {}
            name => {
                let _ = write!(self.fields, " {name}={value:?}");
            }
        }
    }
}
