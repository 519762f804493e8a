//! A pool and a catalog that are SQLite's, but for the one promise that their settings name: the
//! conformance kit's case of that name must fail on them, and with no name none.
//!
//! What is broken is written down case by case: in `post`, `read`, `scan`, `claim`, `delete`,
//! `steps` for the pool (`broken_pool` calls them), in `broken_catalog` for the catalog.
#![forbid(unsafe_code)]

mod breaking;
mod broken_catalog;
mod broken_pool;
mod claim;
mod delete;
mod post;
mod read;
mod scan;
mod state;
mod steps;

/// The stores behind it are the SQLite plugin's.
#[allow(dead_code)]
mod sqlite {
    include!(concat!(env!("OUT_DIR"), "/sqlite/lib.rs"));
}

sukkal_plugin_sdk::export_plugin! {
    settings: breaking::Breaking,
    catalogs: { "broken" => broken_catalog::BrokenCatalog::open },
    pools: { "broken" => broken_pool::BrokenPool::open },
}
