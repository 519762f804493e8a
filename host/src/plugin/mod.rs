//! Plugins: found in directories, looked into, found again by what they provide, loaded, opened.

mod child;
mod discover;
mod identity;
pub mod inspect;
mod installed;
mod kills;
mod list;
pub mod new;
mod open;
mod options;
mod pools;
mod records;
mod registry;
pub mod run_case;
mod schema;
mod services;
mod shape;
mod thinned;
mod unopened;
pub mod verify;

pub use discover::candidates;
pub use installed::Plugin;
pub use list::{Listed, list};
pub use open::{Opened, check, open, open_filters};
pub use pools::PoolPlugins;
pub use registry::{Kind, Registry};
pub use services::Services;
