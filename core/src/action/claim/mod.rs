//! Claims (spec: REST §5).

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(crate) mod hold;
mod terms;
pub(super) mod update;

use sukkal_plugin_sdk::{ClaimId, Message, Request};

use super::message::view::Shown;
use crate::answer::MessageView;
use crate::error::Error;

/// The refusal of what needs a claim that is alive.
fn no_claim(request: &Request) -> Error {
    let (id, queue, project) = (request.item(), request.queue(), request.project());
    Error::not_found(format!("Claim {id} does not exist in queue {queue} for project {project}"))
}

/// Messages of a claim, as clients see them.
fn views(shown: &Shown, id: ClaimId, messages: Vec<Message>) -> Vec<MessageView> {
    let claimed = |message| MessageView { claim: Some(id), ..shown.view(message) };
    messages.into_iter().map(claimed).collect()
}
