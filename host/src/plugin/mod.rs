//! Plugins: found in directories, loaded, found again by what they provide, opened.

mod discover;
mod open;
mod records;
mod registry;
mod schema;
mod services;

pub use discover::candidates;
pub use open::{Opened, check, open};
pub use registry::{Kind, Registry, provides};
pub use services::Services;
