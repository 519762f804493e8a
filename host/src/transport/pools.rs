//! Pools and flavors, which both transports answer alike (spec: REST §8; websocket).

use sukkal_core::{FlavorPage, FlavorView, PoolPage, PoolView};

use super::json::Json;
use super::paging::links;

/// The path of the pools; of one of them with its name below it.
pub const POOLS: &str = "/v2/pools";
/// The path of the flavors; of one of them with its name below it.
pub const FLAVORS: &str = "/v2/flavors";

/// A page of pools.
pub fn pools<'a>(json: &'a mut Json, page: &PoolPage) -> &'a mut Json {
    json.raw(r#"{"pools":"#).list(&page.pools, |json, view| {
        pool(json, view);
    });
    links(json, POOLS, &page.paging);
    json.raw("}")
}

/// A pool.
pub fn pool<'a>(json: &'a mut Json, view: &PoolView) -> &'a mut Json {
    json.raw(r#"{"name":"#).value(&view.name).raw(r#","uri":"#).value(&view.uri);
    json.raw(r#","weight":"#).value(&view.weight).raw(r#","flavor":"#).value(&view.flavor);
    href(json, POOLS, &view.name);
    if let Some(options) = &view.options {
        json.raw(r#","options":"#).value(options);
    }
    if !view.warnings.is_empty() {
        json.raw(r#","warnings":"#).value(&view.warnings);
    }
    json.raw("}")
}

/// A page of flavors.
pub fn flavors<'a>(json: &'a mut Json, page: &FlavorPage) -> &'a mut Json {
    json.raw(r#"{"flavors":"#).list(&page.flavors, |json, view| {
        json.raw(r#"{"name":"#).value(&view.name);
        href(json, FLAVORS, &view.name);
        json.raw(r#","pool_list":"#).value(&view.pool_list);
        if page.detailed {
            json.raw(r#","capabilities":"#).value(&view.capabilities);
        }
        json.raw("}");
    });
    links(json, FLAVORS, &page.paging);
    json.raw("}")
}

/// A flavor.
pub fn flavor<'a>(json: &'a mut Json, view: &FlavorView) -> &'a mut Json {
    json.raw(r#"{"name":"#).value(&view.name).raw(r#","capabilities":"#).value(&view.capabilities);
    json.raw(r#","pool_list":"#).value(&view.pool_list);
    href(json, FLAVORS, &view.name);
    json.raw("}")
}

/// Names that passed admission need no escapes in a path.
fn href(json: &mut Json, collection: &str, name: &str) {
    json.raw(r#","href":"#).value(&format!("{collection}/{name}"));
}
