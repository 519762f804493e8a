//! What a Sukkal plugin is written against.
//!
//! A plugin is one shared library. It provides catalogs, pools, filters or notifiers, each an
//! implementation of one trait of this crate, and names them in [`export_plugin!`]:
//!
//! ```
//! #![forbid(unsafe_code)]
//! use sukkal_plugin_sdk::{Call, Filter, Host, Interest, Moment, NewMessage, Open, Request, Result, Verdict};
//! use sukkal_plugin_sdk::{JsonSchema, Deserialize};
//!
//! /// Settings of the filter; these comments become its documentation.
//! #[derive(Debug, Deserialize, JsonSchema)]
//! #[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
//! #[schemars(crate = "sukkal_plugin_sdk::schemars")]
//! pub struct Settings {
//!     /// The longest life of a message, in seconds.
//!     pub max_ttl: u64,
//! }
//!
//! impl Default for Settings {
//!     fn default() -> Self {
//!         Settings { max_ttl: 600 }
//!     }
//! }
//!
//! /// Shortens the lives of messages.
//! pub struct Shorten {
//!     settings: Settings,
//! }
//!
//! impl Shorten {
//!     pub async fn open(open: Open<Settings>) -> Result<Self> {
//!         Ok(Shorten { settings: open.settings })
//!     }
//! }
//!
//! impl Filter for Shorten {
//!     type State = ();
//!
//!     fn interest(&self) -> Interest {
//!         Interest::none().all(Moment::Ingress)
//!     }
//!
//!     async fn ingress(
//!         &self,
//!         _call: &Call,
//!         _state: &mut (),
//!         _request: &Request,
//!         messages: &mut Vec<NewMessage>,
//!     ) -> Result<Verdict> {
//!         for message in messages {
//!             message.ttl = message.ttl.min(std::time::Duration::from_secs(self.settings.max_ttl));
//!         }
//!         Ok(Verdict::Continue)
//!     }
//! }
//!
//! sukkal_plugin_sdk::export_plugin! {
//!     settings: Settings,
//!     filters: { "shorten" => Shorten::open },
//! }
//! # fn main() {}
//! ```
//!
//! With `crate-type = ["cdylib"]` this is a whole plugin. `sukkal plugin new` makes the crate around it,
//! with tests: see `testing`, the feature that they need.
//!
//! Inside a plugin `tokio::spawn`, timers, sockets, `tracing` and `log` work without any set-up. It
//! must not set a `#[global_allocator]`: several of them in one process run out of static
//! thread-local memory.
#![warn(missing_docs)]

mod abi;
mod action;
mod capability;
mod catalog;
mod claim;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod export;
mod extensions;
mod filter;
mod host;
mod id;
mod isolate;
mod manifest;
mod message;
mod notifier;
#[cfg(feature = "load")]
mod observe;
mod pool;
mod queue;
mod record;
mod request;
mod response;
mod runtime;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod time;

pub use action::{Action, Subject};
pub use bytes::Bytes;
pub use capability::{Capabilities, Health};
pub use catalog::Catalog;
pub use claim::{Claim, Claimed, Deleted, Guard, NewClaim, Refused, Release, Renewal};
pub use error::{Applied, Error, ErrorKind, Result};
pub use extensions::Extensions;
pub use filter::{Filter, Interest, Moment, Reader, Verdict};
pub use host::{Host, Open, Records};
pub use id::{ClaimId, MessageId, ParseIdError, Place, QueueId, RequestId};
pub use manifest::Manifest;
pub use message::{Batch, Lane, Message, NewMessage, Origin, Reason};
pub use notifier::{Delivery, DeliveryKind, Notifier, Outcome, Subscriber};
pub use pool::{
    Budget, Cursor, Delete, Export, Hints, Key, Lease, Leased, List, Pool, Post, Posted, Progress, Spot, Stats, Swept,
    Usage, WatchChange,
};
pub use queue::{DeadLetterRule, Header, KnownQueue, QueueRef};
pub use record::{Change, Commit, Expect, Record, RecordKey, Write};
pub use request::{Call, Headers, Identity, Params, Request, Target, Transport};
pub use response::Response;
pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};
pub use serde_json;
pub use time::{Timestamp, millis};
pub use tokio;
pub use tracing;

/// What the host side needs: opening libraries and calling what is in them.
#[cfg(feature = "load")]
pub mod load {
    pub use crate::abi::catalog::{LoadedCatalog, OpenCatalog};
    pub use crate::abi::filter::{FilterState, LoadedFilter};
    pub use crate::abi::load::{Library, LoadError, SDK_VERSION};
    pub use crate::abi::notifier::{LoadedNotifier, OpenNotifier};
    pub use crate::abi::pool::{LoadedPool, OpenPool};
    pub use crate::abi::root::OpenArgs;
    pub use crate::abi::services::{HostServices, LogLine, Metric, MetricValue};
    pub use crate::observe::{CallObserver, CallOutcome, observe};
}

/// What [`export_plugin!`] expands to; not for direct use.
#[doc(hidden)]
pub mod __export {
    pub use crate::abi::root::export::*;
}
