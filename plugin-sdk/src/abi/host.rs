//! What the host gives, as a library sees it: layout and the plugin's side. `services` is the host's.

use std::net::IpAddr;
use std::path::PathBuf;

use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr, Tuple2};
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

use super::catalog::LoadedCatalog;
use crate::{RequestId, Timestamp};

pub const METRIC_COUNTER: u32 = 0;
pub const METRIC_GAUGE: u32 = 1;
pub const METRIC_HISTOGRAM: u32 = 2;

/// The host as a library sees it: functions of the host that take the plugin's handle back.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
#[sabi(kind(Prefix(prefix_ref = HostVtableRef)))]
#[sabi(missing_field(option))]
pub struct HostVtable {
    pub now: extern "C" fn(HostPointer) -> i64,
    pub max_level: extern "C" fn(HostPointer) -> u32,
    pub log: for<'a> extern "C" fn(HostPointer, u32, RStr<'a>, RStr<'a>, RStr<'a>, Tuple2<u64, u64>),
    pub metric: for<'a> extern "C" fn(HostPointer, u32, RStr<'a>, RSlice<'a, Tuple2<RStr<'a>, RStr<'a>>>, f64),
    #[sabi(last_prefix_field)]
    pub address_allowed: for<'a> extern "C" fn(HostPointer, RStr<'a>) -> bool,
    pub shift: extern "C" fn(HostPointer) -> i64,
}

/// Points to what the host keeps for one library, which lives for ever.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy)]
pub struct HostPointer(pub(super) *const ());

// SAFETY: it points to a `services::Services`, which is `Sync` and never freed.
unsafe impl Send for HostPointer {}
// SAFETY: as above.
unsafe impl Sync for HostPointer {}

/// The host's functions together with what they need to know whom they serve.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct LibraryHost {
    pub(super) pointer: HostPointer,
    pub(super) vtable: HostVtableRef,
}

impl LibraryHost {
    pub fn now(&self) -> Timestamp {
        Timestamp(self.vtable.now()(self.pointer))
    }

    pub fn max_level(&self) -> LevelFilter {
        filter_from_code(self.vtable.max_level()(self.pointer))
    }

    pub fn log(&self, level: Level, target: &str, text: &str, fields: &str, request: RequestId) {
        let request = Tuple2((request.0 >> 64) as u64, request.0 as u64);
        self.vtable.log()(self.pointer, code_of_level(level), target.into(), text.into(), fields.into(), request);
    }

    pub fn metric(&self, kind: u32, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| Tuple2(RStr::from(*name), RStr::from(*value))).collect();
        self.vtable.metric()(self.pointer, kind, name.into(), labels.as_slice().into(), value);
    }

    pub fn address_allowed(&self, address: IpAddr) -> bool {
        self.vtable.address_allowed()(self.pointer, address.to_string().as_str().into())
    }

    pub fn shift(&self) -> i64 {
        self.vtable.shift().map_or(0, |shift| shift(self.pointer))
    }
}

/// What [`crate::Host`] holds: the library's host and what belongs to the one that is opened.
pub struct HostHandle {
    pub library: LibraryHost,
    pub data_dir: PathBuf,
    pub host_id: String,
    pub records: Option<LoadedCatalog>,
    /// For filters: whether their hooks get threads of their own.
    pub isolate: bool,
}

impl std::ops::Deref for HostHandle {
    type Target = LibraryHost;
    fn deref(&self) -> &LibraryHost {
        &self.library
    }
}

/// The number under which a level crosses.
pub fn code_of_level(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// The filter by level of a number.
pub fn filter_from_code(code: u32) -> LevelFilter {
    match code {
        0 => LevelFilter::OFF,
        code => LevelFilter::from_level(level_from_code(code)),
    }
}

/// The level of a number.
pub fn level_from_code(code: u32) -> Level {
    match code {
        1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}
