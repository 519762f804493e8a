//! All of the SDK's `unsafe`, and all that names abi_stable.
//!
//! `bytes`, `data`, `types`: what crosses. `guard`: what surrounds every call on the plugin's side.
//! `contract`: vtable and both sides of a contract, from one list of its methods. `pool`, `catalog`,
//! `notifier`, `filter`, `host`: the contracts. `root`: what a library exports. `file`, `copy`,
//! `load`: looking at it, copying it, opening it.

pub(crate) mod bytes;
pub(crate) mod catalog;
mod contract;
#[cfg(feature = "load")]
mod copy;
pub(crate) mod data;
#[cfg(feature = "load")]
mod file;
pub(crate) mod filter;
pub(crate) mod guard;
pub(crate) mod host;
#[cfg(feature = "load")]
pub(crate) mod load;
pub(crate) mod notifier;
mod object;
pub(crate) mod pool;
pub(crate) mod root;
#[cfg(any(feature = "load", feature = "testing"))]
pub(crate) mod services;
pub(crate) mod types;
