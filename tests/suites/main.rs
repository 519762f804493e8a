//! End to end: each file holds the host to one promise.
#![forbid(unsafe_code)]
// A test ends at the first thing that is not as it must be.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admin;
mod bench;
mod bodies;
mod broken_stores;
mod claims;
mod clients;
mod command_line;
mod config;
mod crash;
mod dead_letters;
mod documentation;
mod documents;
mod examples;
mod expiry;
mod filters;
mod full;
mod guides;
mod http;
mod installing;
mod leaving;
mod loading;
mod long_runs;
mod metrics;
mod misbehaving;
mod paging;
mod plugin_new;
mod plugins;
mod posting;
mod queues;
mod reload;
mod restart;
mod running;
mod shutdown;
mod side_by_side;
mod signed_urls;
mod store_files;
mod subscriptions;
mod tenants;
mod topics;
mod waiting;
mod websocket;
mod websocket_bounds;
mod wire_vectors;
