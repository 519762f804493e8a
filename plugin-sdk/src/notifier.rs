//! The contract of a notifier: what carries deliveries to subscribers of one URI scheme.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::{Call, Extensions, MessageId, QueueId, Result};

/// Carries deliveries to subscribers of the URI schemes that it is registered for.
///
/// When, how often and in which order is the service's matter; a notifier makes one attempt.
///
/// # Promises
///
/// An attempt ends by the call's deadline. It never follows a redirect to, nor opens a connection
/// with, an address that [`crate::Host::address_allowed`] refuses.
pub trait Notifier: Send + Sync + 'static {
    /// Checks a subscriber before its subscription is stored, and may complete it (a trust that
    /// had to be made, for instance).
    ///
    /// # Errors
    /// `Invalid`: the client gets the message with 400.
    fn check(&self, call: &Call, subscriber: Subscriber) -> impl Future<Output = Result<Subscriber>> + Send {
        let _ = call;
        async { Ok(subscriber) }
    }

    /// What attempts to this subscriber share: the service bounds concurrency by it. By default
    /// the URI's authority, or the URI as a whole where it has none.
    fn address(&self, subscriber: String) -> String {
        let rest = subscriber.split_once("://").map_or(subscriber.as_str(), |(_, rest)| rest);
        rest.split(['/', '?', '#']).next().unwrap_or(rest).to_owned()
    }

    /// Makes one attempt.
    ///
    /// # Errors
    /// Every error counts as a failed attempt that is repeated by the subscription's retry policy.
    fn deliver(&self, call: &Call, delivery: Delivery) -> impl Future<Output = Result<Outcome>> + Send;

    /// The host is ending: called once, and awaited for a bounded time.
    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Who is to be notified.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscriber {
    /// The subscriber's URI.
    pub uri: String,
    /// The subscription's options: a JSON object.
    pub options: Bytes,
    /// How long the subscription lives.
    pub ttl: Duration,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// What a delivery is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryKind {
    /// A message.
    Notification,
    /// The request to confirm a subscription.
    Confirmation,
    /// The notice that a subscription was ended.
    Unsubscription,
    /// A kind of a newer SDK.
    Other(u32),
}

impl DeliveryKind {
    /// The number under which the kind crosses the boundary.
    pub fn code(self) -> u32 {
        match self {
            DeliveryKind::Notification => 1,
            DeliveryKind::Confirmation => 2,
            DeliveryKind::Unsubscription => 3,
            DeliveryKind::Other(code) => code,
        }
    }

    /// The kind of a number.
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => DeliveryKind::Notification,
            2 => DeliveryKind::Confirmation,
            3 => DeliveryKind::Unsubscription,
            other => DeliveryKind::Other(other),
        }
    }
}

/// One attempt to notify one subscriber.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What it is about.
    pub kind: DeliveryKind,
    /// To whom.
    pub subscriber: Subscriber,
    /// The subscription's id.
    pub subscription: String,
    /// The queue's name.
    pub queue: String,
    /// The queue's incarnation.
    pub queue_id: QueueId,
    /// The message's id; stays the same over all attempts. None for confirmations.
    pub message: Option<MessageId>,
    /// The payload: a JSON object (spec: notifications).
    pub payload: Bytes,
    /// Counts from 1.
    pub attempt: u32,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Delivered.
    Delivered,
    /// Not now; repeated by the retry policy.
    Failed {
        /// For logs and the delivery's record: status or reason, no secret.
        reason: String,
        /// Not before this time has passed.
        retry_after: Option<Duration>,
    },
    /// The subscriber is gone for good: the subscription is disabled.
    Gone {
        /// Why.
        reason: String,
    },
}
