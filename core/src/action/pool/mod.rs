//! Pools: registered, changed, shown, deleted (spec: REST §8). For administrators.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod draft;
pub(super) mod get;
pub(super) mod list;
pub(super) mod update;

use sukkal_plugin_sdk::Request;

use crate::answer::PoolView;
use crate::directory::StoredPool;
use crate::engine::Context;
use crate::error::Error;

/// Whether options and warnings are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Plain,
    Full,
}

impl Detail {
    fn of(asked: Option<bool>) -> Self {
        if asked == Some(true) { Detail::Full } else { Detail::Plain }
    }
}

/// As it is shown: without secrets.
fn view(context: &Context<'_>, pool: StoredPool, detail: Detail) -> PoolView {
    let pools = &context.service.pools;
    let shown = pools.opener().shown(&pool.spec);
    let member = pools.known(&pool.name).filter(|_| detail == Detail::Full);
    PoolView {
        uri: shown.uri,
        weight: pool.weight,
        flavor: pool.flavor,
        options: (detail == Detail::Full).then_some(shown.options),
        warnings: member.map(|member| member.warnings().to_vec()).unwrap_or_default(),
        name: pool.name,
    }
}

/// The refusal of what needs a pool that is there.
fn no_pool(request: &Request) -> Error {
    Error::not_found(format!("Pool {} does not exist", request.item()))
}
