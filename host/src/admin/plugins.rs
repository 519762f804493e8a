//! The plugins: what was found, what was refused and why, what is loaded and in use.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};
use sukkal_core::{Member, PoolState};
use sukkal_plugin_sdk::load::LoadError;
use warp::http::StatusCode;

use super::page::Page;
use crate::config::{Config, scheme};
use crate::plugin::{Kind, Plugin, Registry};
use crate::running::Running;

/// A JSON document.
pub fn page(running: Option<&Running>) -> Page {
    let Some(running) = running else { return Page::starting() };
    let registry = &running.registry;
    let pools = running.engine.pools();
    let uses = uses(&running.started, &running.in_force(), &pools);
    let found = registry.plugins().iter().map(|plugin| found(registry, plugin, &uses));
    let plugins: Vec<Value> = found.chain(registry.refused().iter().map(refused)).collect();
    let pools: Vec<Value> = pools.iter().filter_map(|member| pool(registry, member)).collect();
    Page::json(StatusCode::OK, &json!({ "plugins": plugins, "pools": pools }))
}

/// What is in use, by kind and by scheme or name. URIs can hold passwords and are not shown.
fn uses(started: &Config, in_force: &Config, pools: &[Arc<Member>]) -> Vec<(Kind, String)> {
    let catalog = scheme(&started.catalog.value).map(|scheme| (Kind::Catalog, scheme.to_owned()));
    let pool = started.default_pool.as_ref().and_then(|uri| scheme(&uri.value));
    let pool = pool.map(|scheme| (Kind::Pool, scheme.to_owned()));
    let filters = in_force.pipeline.iter().map(|name| (Kind::Filter, name.value.clone()));
    let registered = pools.iter().filter_map(|member| scheme(&member.spec()?.uri));
    let registered = registered.map(|scheme| (Kind::Pool, scheme.to_owned()));
    let mut uses: Vec<_> = catalog.into_iter().chain(pool).chain(registered).collect();
    uses.extend(filters);
    let mut seen = HashSet::new();
    uses.retain(|used| seen.insert(used.clone()));
    uses
}

/// A registered pool, and whether it can be used.
fn pool(registry: &Registry, member: &Member) -> Option<Value> {
    let scheme = scheme(&member.spec()?.uri);
    let plugin = scheme.and_then(|scheme| registry.find(Kind::Pool, scheme)).map(|plugin| plugin.name());
    let (state, reason) = match member.state() {
        PoolState::Open if member.is_well() => ("open", None),
        PoolState::Open => ("open", Some("it does not answer".to_owned())),
        PoolState::Opening => ("opening", None),
        PoolState::Failed(why) => ("not open", Some(why)),
        PoolState::Retired | PoolState::Missing => ("closed", None),
    };
    let mut shown = json!({ "name": member.name(), "plugin": plugin, "scheme": scheme, "state": state });
    if let Some(reason) = reason {
        shown["reason"] = reason.into();
    }
    if !member.warnings().is_empty() {
        shown["warnings"] = member.warnings().to_vec().into();
    }
    Some(shown)
}

fn found(registry: &Registry, plugin: &Plugin, uses: &[(Kind, String)]) -> Value {
    let of_this =
        |(kind, name): &&(Kind, String)| registry.find(*kind, name).is_some_and(|of| of.path() == plugin.path());
    let in_use: Vec<String> =
        uses.iter().filter(of_this).map(|(kind, name)| format!("{} {name}", kind.name())).collect();
    let state = match plugin.loaded() {
        None => "found",
        Some(_) if in_use.is_empty() => "loaded",
        Some(_) => "in use",
    };
    let description = plugin.description();
    json!({
        "name": description.name,
        "version": description.version,
        "sdk": description.sdk,
        "description": description.about,
        "file": plugin.path(),
        "state": state,
        "in_use": in_use,
        "provides": {
            "catalogs": description.catalogs,
            "pools": description.pools,
            "filters": description.filters,
            "notifiers": description.notifiers,
            "services": description.services,
        },
    })
}

fn refused(refusal: &LoadError) -> Value {
    json!({ "file": refusal.path, "state": "refused", "reason": refusal.fault, "mend": refusal.mend })
}
