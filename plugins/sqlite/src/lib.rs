//! SQLite: a catalog and a pool in one library.
#![forbid(unsafe_code)]

mod backlog;
mod catalog;
mod connection;
mod error;
mod headroom;
mod job;
mod lock;
mod pool;
mod presence;
mod reader;
mod reserve;
mod schema;
mod settings;
mod store;
mod thread;
mod wal;
mod writer;

sukkal_plugin_sdk::export_plugin! {
    settings: settings::Settings,
    catalogs: { "sqlite" => catalog::Catalog::open },
    pools: { "sqlite" => pool::Pool::open },
    check: settings::check,
    runtime: none,
}
