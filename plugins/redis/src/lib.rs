//! Redis and Valkey: a pool for many hosts, on one server, with Sentinel, or in a cluster.
#![forbid(unsafe_code)]
// A call is a future in a future, from a pool's method down to a connection: more of them than the default allows.
#![recursion_limit = "256"]

mod error;
mod keys;
mod pool;
mod record;
mod script;
mod server;
mod settings;
#[cfg(test)]
mod speed;
mod uri;

sukkal_plugin_sdk::export_plugin! {
    settings: settings::Settings,
    pools: {
        "redis" => pool::Pool::open,
        "rediss" => pool::Pool::open,
    },
    check: uri::check,
}
