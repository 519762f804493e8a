//! Flavors: made, changed, shown, deleted (spec: REST §8).

pub(super) mod create;
pub(super) mod delete;
mod draft;
pub(super) mod get;
pub(super) mod list;
pub(super) mod update;

use sukkal_plugin_sdk::Request;

use crate::answer::FlavorView;
use crate::directory::{Flavor, Unfit};
use crate::error::Error;

fn view(Flavor { name, pools, capabilities }: Flavor) -> FlavorView {
    FlavorView { name, pool_list: pools, capabilities }
}

/// The refusal of what needs a flavor that is there.
fn no_flavor(request: &Request) -> Error {
    Error::not_found(format!("Flavor {} does not exist", request.item()))
}

/// Why a flavor cannot have its pools, as the API ends its sentences.
fn why(unfit: &Unfit) -> String {
    match unfit {
        Unfit::Missing(pool) => format!("Pool {pool} does not exist"),
        Unfit::Differs(pool) => format!("Pool {pool} does not have the capabilities of the first one"),
    }
}
