//! A pool to start from: messages in memory, with every promise of the contract but the one that
//! memory cannot keep. When the host ends, so do they, and the pool says so ([`Pool::capabilities`]).
//!
//! `pool` is the contract, method by method. `store` is all queues, under one lock: whatever happens
//! under it happens in one step, the move of a dead letter from queue to queue too. `queue` is one of
//! them, and `visit` a call's stay in it; what can be done there is in `post`, `read`, `claim`,
//! `delete`, `lane` and `export`. `entries`, `index` and `timed` are the indexes by which none of it ever
//! looks at messages that it is not about.
//!
//! [`Pool::capabilities`]: sukkal_plugin_sdk::Pool::capabilities
#![forbid(unsafe_code)]

mod claim;
mod delete;
mod entries;
mod error;
mod export;
mod index;
mod lane;
mod pool;
mod post;
mod queue;
mod read;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod timed;
mod visit;

sukkal_plugin_sdk::export_plugin! {
    settings: settings::Settings,
    pools: { "example" => pool::ExamplePool::open },
    check: settings::check,
}
