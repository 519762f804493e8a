//! MongoDB: a catalog and a pool for many hosts, in a replica set or sharded.
#![forbid(unsafe_code)]

mod catalog;
mod error;
mod pool;
mod reach;
mod server;
mod settings;
mod uri;

sukkal_plugin_sdk::export_plugin! {
    settings: settings::Settings,
    catalogs: {
        "mongodb" => catalog::Catalog::open,
        "mongodb+srv" => catalog::Catalog::open,
    },
    pools: {
        "mongodb" => pool::Pool::open,
        "mongodb+srv" => pool::Pool::open,
    },
    check: uri::check,
}
