//! The ways in: each decodes requests for the engine and encodes its answers.
//!
//! What both write alike lies here; what is one transport's alone, in its folder.

mod accept;
mod document;
mod doubled;
mod failure;
mod home;
mod json;
mod origins;
mod paging;
mod pools;
mod refusal;
pub mod rest;
mod shared;
mod tally;
mod tls;
mod unread;
pub mod ws;

pub use accept::Connections;
pub use origins::Origins;
pub use tls::Tls;
pub use unread::Unread;

use sukkal_core::random_uuid as new_request_id;
