//! Plugins: found in directories, loaded, found again by what they provide, opened.

mod child;
mod discover;
mod identity;
pub mod inspect;
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
pub mod verify;

pub use child::tell;
pub use discover::candidates;
pub use list::list;
pub use open::{Opened, check, open, open_filters};
pub use pools::PoolPlugins;
pub use registry::{Kind, Registry};
pub use services::Services;
