//! The host: what turns the service into a program.
//!
//! [`cli`] reads the command line, [`config`] the settings, [`plugin`] loads the libraries,
//! [`serve`] puts them together with the engine and starts the transports, [`shutdown`] ends them.
//!
//! # Invariants
//!
//! - Nothing outside `config` sees settings as they were typed: a [`config::Config`] is valid.
//! - The host knows no plugin by name: everything is found by URI scheme or by name.
//! - A transport decodes and encodes; what a request means is core's.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod admin;
pub mod bench;
pub mod cli;
mod clock;
pub mod config;
pub mod log;
pub mod metrics;
mod open_files;
mod output;
mod percent;
pub mod plugin;
pub mod running;
pub mod serve;
pub mod shutdown;
mod supervisor;
mod terminal;
mod tls_client;
mod token;
pub mod transport;
mod watchdog;

/// Requests allocate on one thread and free on another, in sizes of a message and more: glibc's
/// allocator is at its slowest there. Plugins keep glibc's: a library cannot bring one of its own. Under
/// a fuzzer the host keeps the one that AddressSanitizer watches.
#[cfg(not(fuzzing))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
