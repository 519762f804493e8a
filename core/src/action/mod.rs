//! What requests ask for: one file an action, named as on the wire.
//!
//! Each reads the request first (`decode`, which refuses what is wrong and touches no store), then
//! does what it asks.

mod claim;
mod message;
mod queue;
#[cfg(test)]
mod tests;

use sukkal_plugin_sdk::{Action, Request};

use crate::answer::Answer;
use crate::engine::Context;
use crate::error::{Error, ErrorKind};
use crate::stop::Stop;

/// Does what a request asks for.
///
/// # Errors
/// `Stop`: it is refused or fails, or a filter answers in its place.
pub(crate) async fn run(context: &mut Context<'_>, request: &mut Request) -> Result<Answer, Stop> {
    match request.action() {
        Action::Versions => Ok(Answer::Versions),
        Action::Home => Ok(Answer::Home { admin: context.service.api.admin_mode }),
        Action::Ping => Ok(Answer::Ping(context.service.ping(context.call).await)),
        Action::QueueList => queue::list::run(context, request).await,
        Action::QueueCreate => queue::create::run(context, request).await,
        Action::QueueGet => queue::get::run(context, request).await,
        Action::QueueExists => queue::exists::run(context, request).await,
        Action::QueueUpdate => queue::update::run(context, request).await,
        Action::QueueDelete => queue::delete::run(context, request).await,
        Action::QueueStats => queue::stats::run(context, request).await,
        Action::QueuePurge => queue::purge::run(context, request).await,
        Action::MessagePost => message::post::run(context, request).await,
        Action::MessageList => message::list::run(context, request).await,
        Action::MessageGet => message::get::run(context, request).await,
        Action::MessageGetMany => message::get_many::run(context, request).await,
        Action::MessageDelete => message::delete::run(context, request).await,
        Action::MessageDeleteMany => message::delete_many::run(context, request).await,
        Action::ClaimCreate => claim::create::run(context, request).await,
        Action::ClaimGet => claim::get::run(context, request).await,
        Action::ClaimUpdate => claim::update::run(context, request).await,
        Action::ClaimDelete => claim::delete::run(context, request).await,
        _ => Err(Error::new(ErrorKind::UnknownPath, "").into()),
    }
}

/// The body of a request that may go without: none where it is absent or empty.
fn optional_body(request: &Request) -> Option<&[u8]> {
    Some(request.body()).filter(|body| !body.is_empty())
}

/// The refusal of a request that must have a body.
fn no_body() -> Error {
    Error::body("Request body can not be empty")
}

/// The refusal of what needs a queue that is there.
fn no_queue(request: &Request) -> Error {
    Error::not_found(format!("Queue {} does not exist for project {}", request.queue(), request.project()))
}
