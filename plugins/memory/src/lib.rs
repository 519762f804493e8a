//! Memory: a bounded catalog and pool for tests and throw-away queues.
#![forbid(unsafe_code)]

mod catalog;
mod error;
mod own;
mod pause;
mod pool;
mod room;
mod settings;

sukkal_plugin_sdk::export_plugin! {
    settings: settings::Settings,
    catalogs: { "memory" => catalog::Catalog::open },
    pools: { "memory" => pool::Pool::open },
    check: settings::check,
    runtime: none,
}
