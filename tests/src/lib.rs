//! The harness of the end-to-end tests: a real host with real plugins, in a directory and on a
//! port of its own, and what is needed to tell a test as a story.
//!
//! ```text
//! let host = Host::start().await;
//! let orders = host.queue("orders");
//! orders.post(["a", "b", "c"]).await;
//! orders.claim(2).await.release().await;
//! assert_eq!(orders.claim(3).await.bodies(), ["a", "b", "c"]);
//! ```
#![forbid(unsafe_code)]
// A test ends at the first thing that is not as it must be, and the harness with it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod batches;
pub mod browser;
pub mod chaos;
pub mod checker;
pub mod connections;
pub mod crash;
pub mod described;
pub mod disk;
pub mod eventually;
pub mod guide;
pub mod holdings;
pub mod host;
pub mod long_run;
pub mod pools;
pub mod programs;
pub mod queue;
pub mod reference;
pub mod rest;
pub mod scrape;
pub mod servers;
pub mod shared;
pub mod sqlite;
pub mod stores;
pub mod tls;
pub mod vectors;
pub mod wire;
pub mod ws;

pub use eventually::eventually;
pub use host::Host;
pub use queue::{Claim, Queue};
pub use rest::{Answer, Client};
pub use scrape::Scrape;
