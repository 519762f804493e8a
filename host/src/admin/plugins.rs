//! The plugins: what is loaded, what was refused and why, what is in use.

use serde_json::{Value, json};
use sukkal_plugin_sdk::load::{Library, LoadError};
use warp::http::StatusCode;

use super::page::Page;
use crate::config::{Config, scheme};
use crate::plugin::{Kind, Registry};
use crate::running::Running;

/// A JSON document.
pub fn page(running: Option<&Running>) -> Page {
    let Some(running) = running else { return Page::starting() };
    let registry = &running.registry;
    let uses = uses(&running.started, &running.in_force());
    let loaded = registry.libraries().iter().map(|library| loaded(registry, library, &uses));
    let plugins: Vec<Value> = loaded.chain(registry.refused().iter().map(refused)).collect();
    Page::json(StatusCode::OK, &json!({ "plugins": plugins }))
}

/// What is in use, by kind and by scheme or name. URIs can hold passwords and are not shown.
fn uses(started: &Config, in_force: &Config) -> Vec<(Kind, String)> {
    let catalog = scheme(&started.catalog.value).map(|scheme| (Kind::Catalog, scheme.to_owned()));
    let pool = started.default_pool.as_ref().and_then(|uri| scheme(&uri.value));
    let pool = pool.map(|scheme| (Kind::Pool, scheme.to_owned()));
    let filters = in_force.pipeline.iter().map(|name| (Kind::Filter, name.value.clone()));
    catalog.into_iter().chain(pool).chain(filters).collect()
}

fn loaded(registry: &Registry, library: &Library, uses: &[(Kind, String)]) -> Value {
    let manifest = library.manifest();
    let of_this =
        |(kind, name): &&(Kind, String)| registry.find(*kind, name).is_some_and(|of| of.path() == library.path());
    let in_use: Vec<String> =
        uses.iter().filter(of_this).map(|(kind, name)| format!("{} {name}", kind.name())).collect();
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "sdk": manifest.sdk,
        "description": manifest.description,
        "file": library.path(),
        "state": if in_use.is_empty() { "loaded" } else { "in use" },
        "in_use": in_use,
        "provides": {
            "catalogs": manifest.catalogs,
            "pools": manifest.pools,
            "filters": manifest.filters,
            "notifiers": manifest.notifiers,
            "services": manifest.services,
        },
    })
}

fn refused(refusal: &LoadError) -> Value {
    json!({ "file": refusal.path, "state": "refused", "reason": refusal.fault, "mend": refusal.mend })
}
