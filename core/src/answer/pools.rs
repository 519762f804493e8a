//! Pools and flavors as administrators see them (spec: REST §8).

use super::{Object, Paging};

/// A page of pools.
#[derive(Clone, Debug, Default)]
pub struct PoolPage {
    /// Ordered by name.
    pub pools: Vec<PoolView>,
    /// How the next page is asked for.
    pub paging: Paging,
}

/// A pool. Secrets are masked.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolView {
    /// Its name.
    pub name: String,
    /// Names its store.
    pub uri: String,
    /// Its share of new queues.
    pub weight: u32,
    /// The flavor that it belongs to.
    pub flavor: Option<String>,
    /// The plugin's settings for it, where they were asked for.
    pub options: Option<Object>,
    /// What its operator should know, where details were asked for.
    pub warnings: Vec<String>,
}

/// A page of flavors.
#[derive(Clone, Debug, Default)]
pub struct FlavorPage {
    /// Ordered by name.
    pub flavors: Vec<FlavorView>,
    /// True when capabilities were asked for.
    pub detailed: bool,
    /// How the next page is asked for.
    pub paging: Paging,
}

/// A flavor.
#[derive(Clone, Debug, PartialEq)]
pub struct FlavorView {
    /// Its name.
    pub name: String,
    /// The names of its pools.
    pub pool_list: Vec<String>,
    /// What its pools state, by name, in their fixed order.
    pub capabilities: Vec<String>,
}
