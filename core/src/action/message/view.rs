//! Messages as clients see them.

use sukkal_plugin_sdk::{Message, MessageId, Place, QueueId, Timestamp};

use crate::answer::MessageView;
use crate::checksum;
use crate::engine::Context;

/// How messages of one reading are shown.
pub(crate) struct Shown {
    /// The queue that they were read from.
    pub(crate) queue: QueueId,
    /// The pool's clock when they were read.
    pub(crate) now: Timestamp,
    /// Whether the request asked for their claim counts.
    pub(crate) claims: bool,
    /// Whether checksums are made.
    pub(crate) checksum: bool,
}

impl Shown {
    /// As the service's switches say; without claim counts.
    pub(crate) fn new(context: &Context<'_>, queue: QueueId, now: Timestamp) -> Self {
        Shown { queue, now, claims: false, checksum: context.service.api.enable_checksum }
    }

    /// With claim counts, or not.
    pub(crate) fn claims(self, claims: bool) -> Self {
        Shown { claims, ..self }
    }

    /// The id of a message.
    pub(crate) fn id(&self, place: Place) -> MessageId {
        MessageId { queue: self.queue, place }
    }

    /// Shows a message.
    pub(crate) fn view(&self, message: Message) -> MessageView {
        MessageView {
            id: self.id(message.place),
            ttl: message.ttl.as_secs(),
            age: self.now.since(message.posted).as_secs(),
            checksum: if self.checksum { checksum::of(&message.body) } else { None },
            body: message.body,
            claim: message.claim,
            claims: message.claims,
            show_claims: self.claims,
        }
    }

    /// Shows messages, in their order.
    pub(crate) fn views(&self, messages: Vec<Message>) -> Vec<MessageView> {
        messages.into_iter().map(|message| self.view(message)).collect()
    }
}
