//! The service: what requests mean, whatever transport they come by and whatever store they end in.
//!
//! A request passes [`engine`] from top to bottom: `pipeline` (filters), `admission` (what every
//! request must have), `action` (what it asks for; `wait` where it is to wait), `directory` and `pools` (where its queue is).
//!
//! # Invariants
//!
//! - Core knows no HTTP: an [`Answer`] and an [`Error`] are typed, and each transport words them.
//! - Core opens no library: it is handed what is open, and what opens the pools that are registered.
//! - A request that has entered runs to its end, whether or not its client still waits.
//! - The catalog's record of a queue is the truth about it. What is cached of it is never wrong for
//!   the messages: the pool refuses whoever acts on an old epoch.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod action;
mod address;
mod admission;
mod answer;
mod checksum;
mod depths;
mod directory;
mod drops;
mod engine;
mod error;
mod instant;
mod janitor;
pub mod json;
mod json_patch;
mod limits;
mod metadata;
mod name;
mod observer;
mod pipeline;
mod placement;
mod pools;
mod post_order;
mod probe;
mod query;
mod random;
mod repeat;
mod service;
mod session;
mod signed_url;
mod snapshot;
mod stated;
mod stop;
mod subscriber;
mod to_its_end;
mod wait;

pub use address::{AddressRange, AddressRule};
pub use admission::{Arrival, Route};
pub use answer::*;
pub use depths::{Depth, Depths};
pub use engine::{Encode, Engine, Parts};
pub use error::{Error, ErrorKind};
pub use instant::utc;
pub use limits::{Api, ClientIds, DEFAULT_PAGE, Limits, MAX_NAME, MAX_PROJECT, MIN_TTL};
pub use metadata::with_reserved;
pub use name::{Kind, Named};
pub use observer::{Ended, Observer, Outcome};
pub use pipeline::held::{Held, HeldThreads};
pub use pipeline::{FilterSpec, OnError, Pipeline, Unfit};
pub use pools::{Member, Opening, PoolOpener, PoolSpec, State as PoolState, Terms as PoolTerms};
pub use post_order::{PostOrder, Turn};
pub use random::random_uuid;
pub use session::Session;
pub use signed_url::{Grant, Presented, SignedUrl, UrlSigner};
pub use snapshot::{Reloadable, Snapshot};
pub use stated::Stated;
pub use subscriber::Notifications;
pub use wait::Delivery;
