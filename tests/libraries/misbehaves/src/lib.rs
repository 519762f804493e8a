//! A filter and a pool that misbehave, each in the way and at the place that its settings name.
#![forbid(unsafe_code)]

mod act;
mod behaviour;
mod filter;
mod logs;
mod store;
mod works;

/// The pool is the memory plugin's, which keeps what the tests must find again.
#[allow(dead_code)]
mod memory {
    include!(concat!(env!("OUT_DIR"), "/memory/lib.rs"));
}

sukkal_plugin_sdk::export_plugin! {
    settings: behaviour::Behaviour,
    pools: { "misbehaves" => store::Store::open },
    filters: { "misbehaves" => filter::Misbehaves::open },
}
