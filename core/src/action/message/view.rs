//! Messages as clients see them.

use sukkal_plugin_sdk::{Message, MessageId, Origin, Params, Place, QueueId, Reason, Timestamp};

use crate::answer::{MessageView, OriginView, Paging};
use crate::checksum;
use crate::engine::Context;
use crate::error::Result;
use crate::query;

/// What a request asks to see of messages beyond the keys that every client knows: clients in the
/// field refuse any other key that they did not ask for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extra {
    claim_count: Option<bool>,
    origin: Option<bool>,
}

impl Extra {
    /// Reads `claim_count` and `origin`.
    pub(crate) fn of(params: &Params) -> Result<Self> {
        let (claim_count, origin) = (query::boolean(params, "claim_count")?, query::boolean(params, "origin")?);
        Ok(Extra { claim_count, origin })
    }

    /// Everybody who pops is shown how often the messages were claimed.
    pub(crate) fn popped() -> Self {
        Extra { claim_count: Some(true), origin: None }
    }

    /// Notes in a page's link what was asked for.
    pub(crate) fn note(self, paging: &mut Paging) {
        paging.note("claim_count", self.claim_count);
        paging.note("origin", self.origin);
    }
}

/// How messages of one reading are shown.
pub(crate) struct Shown {
    /// The queue that they were read from.
    pub(crate) queue: QueueId,
    /// The pool's clock when they were read.
    pub(crate) now: Timestamp,
    /// What the request asks to see more.
    pub(crate) extra: Extra,
    /// Whether checksums are made.
    pub(crate) checksum: bool,
}

impl Shown {
    /// As the service's switches say, with nothing extra.
    pub(crate) fn new(context: &Context<'_>, queue: QueueId, now: Timestamp) -> Self {
        Shown { queue, now, extra: Extra::default(), checksum: context.api().enable_checksum }
    }

    /// With what the request asks to see more.
    pub(crate) fn with(self, extra: Extra) -> Self {
        Shown { extra, ..self }
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
            show_claims: self.extra.claim_count.unwrap_or(false),
            origin: message.origin.filter(|_| self.extra.origin.unwrap_or(false)).map(origin),
        }
    }

    /// Shows messages, in their order.
    pub(crate) fn views(&self, messages: Vec<Message>) -> Vec<MessageView> {
        messages.into_iter().map(|message| self.view(message)).collect()
    }
}

fn origin(origin: Origin) -> OriginView {
    // A label ends in U+0000 and the name (`directory::record::label`).
    let name = origin.label.split(|byte| *byte == 0).next_back().unwrap_or_default();
    OriginView {
        queue: String::from_utf8_lossy(name).into_owned(),
        id: origin.id.to_string(),
        claim_count: origin.claims,
        reason: match origin.reason {
            Reason::ClaimsExhausted => "claims exhausted",
            Reason::DeliveryExhausted => "delivery exhausted",
            _ => "unknown",
        },
    }
}
