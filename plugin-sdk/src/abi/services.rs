//! What the host gives: the host's side.
// Tests of plugins are hosts as well, which read less of it.
#![cfg_attr(not(feature = "load"), allow(dead_code))]

use std::net::IpAddr;

use abi_stable::prefix_type::{PrefixRef, WithMetadata};
use abi_stable::std_types::{RSlice, RStr, Tuple2};
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

use super::guard;
use super::host::{
    HostPointer, HostVtable, HostVtable_Prefix, HostVtableRef, LibraryHost, METRIC_COUNTER, METRIC_GAUGE,
    code_of_level, level_from_code,
};
use crate::{RequestId, Timestamp};

/// What the host does for its plugins. Called from any thread; must neither block nor panic.
pub trait HostServices: Send + Sync + 'static {
    /// The host's clock: wall time at the start, monotonic from then on.
    fn now(&self) -> Timestamp;
    /// Takes a line of a plugin's log.
    fn log(&self, line: LogLine<'_>);
    /// The most detailed level at which the plugin's log is wanted. Asked when it is loaded.
    fn max_level(&self, plugin: &str) -> LevelFilter;
    /// Takes a metric of a plugin.
    fn metric(&self, metric: Metric<'_>);
    /// Whether outbound connections to an address are allowed.
    fn address_allowed(&self, address: IpAddr) -> bool;
    /// By how many milliseconds the clock has been moved away from the machine's, by a test.
    fn shift(&self) -> i64 {
        0
    }
}

/// A line of a plugin's log.
pub struct LogLine<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// How important it is.
    pub level: Level,
    /// The module that logs.
    pub target: &'a str,
    /// The text.
    pub text: &'a str,
    /// ` name=value` for each field, those of spans last.
    pub fields: &'a str,
    /// The request on whose behalf the thread ran.
    pub request: Option<RequestId>,
}

/// A metric of a plugin.
pub struct Metric<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// Its name, without prefix.
    pub name: &'a str,
    /// Labels and their values.
    pub labels: Vec<(&'a str, &'a str)>,
    /// What to do with the value.
    pub value: MetricValue,
}

/// What to do with a metric's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricValue {
    /// Add it to a counter.
    Count(f64),
    /// Set a gauge to it.
    Gauge(f64),
    /// Record it in a histogram.
    Record(f64),
}

/// The number under which a filter by level crosses.
pub fn code_of_filter(filter: LevelFilter) -> u32 {
    filter.into_level().map_or(0, code_of_level)
}

struct Services {
    plugin: String,
    services: &'static dyn HostServices,
}

impl LibraryHost {
    /// The host for one plugin. Lives for ever, as a loaded library does.
    pub fn new(plugin: &str, services: &'static dyn HostServices) -> Self {
        let leaked: &'static Services = Box::leak(Box::new(Services { plugin: plugin.to_owned(), services }));
        LibraryHost { pointer: HostPointer(std::ptr::from_ref(leaked).cast()), vtable: HostVtableRef(VTABLE) }
    }
}

static VTABLE: PrefixRef<HostVtable_Prefix> = {
    const VALUE: &WithMetadata<HostVtable> =
        &WithMetadata::new(HostVtable { now, max_level, log, metric, address_allowed, shift });
    VALUE.static_as_prefix()
};

fn services(pointer: HostPointer) -> &'static Services {
    // SAFETY: every `HostPointer` is made by `LibraryHost::new` from a leaked `Services`, and these
    // functions are reached only through the vtable that lies beside it.
    unsafe { &*pointer.0.cast::<Services>() }
}

extern "C" fn now(pointer: HostPointer) -> i64 {
    guard::catch(|| services(pointer).services.now().0).unwrap_or(0)
}

extern "C" fn max_level(pointer: HostPointer) -> u32 {
    let host = services(pointer);
    guard::catch(|| code_of_filter(host.services.max_level(&host.plugin))).unwrap_or(0)
}

extern "C" fn log(
    pointer: HostPointer,
    level: u32,
    target: RStr<'_>,
    text: RStr<'_>,
    fields: RStr<'_>,
    request: Tuple2<u64, u64>,
) {
    let host = services(pointer);
    let request = u128::from(request.0) << 64 | u128::from(request.1);
    guard::catch(|| {
        host.services.log(LogLine {
            plugin: &host.plugin,
            level: level_from_code(level),
            target: target.as_str(),
            text: text.as_str(),
            fields: fields.as_str(),
            request: (request != 0).then_some(RequestId(request)),
        });
    });
}

extern "C" fn metric(
    pointer: HostPointer,
    kind: u32,
    name: RStr<'_>,
    labels: RSlice<'_, Tuple2<RStr<'_>, RStr<'_>>>,
    value: f64,
) {
    let host = services(pointer);
    guard::catch(|| {
        let value = match kind {
            METRIC_COUNTER => MetricValue::Count(value),
            METRIC_GAUGE => MetricValue::Gauge(value),
            _ => MetricValue::Record(value),
        };
        let labels = labels.iter().map(|label| (label.0.as_str(), label.1.as_str())).collect();
        host.services.metric(Metric { plugin: &host.plugin, name: name.as_str(), labels, value });
    });
}

extern "C" fn address_allowed(pointer: HostPointer, address: RStr<'_>) -> bool {
    guard::catch(|| address.as_str().parse().is_ok_and(|address| services(pointer).services.address_allowed(address)))
        .unwrap_or(false)
}

extern "C" fn shift(pointer: HostPointer) -> i64 {
    guard::catch(|| services(pointer).services.shift()).unwrap_or(0)
}
