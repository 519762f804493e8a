//! Requests, messages and deliveries as a test needs them: everything is filled in, and what a test
//! is about can be changed.

use std::time::Duration;

use super::clock::TestClock;
use crate::{
    Action, Bytes, Delivery, DeliveryKind, Extensions, Lane, Message, MessageId, NewMessage, Place, QueueId, Request,
    RequestId, Subscriber, Target, Transport,
};

const CLIENT: &str = "3381af92-2b9e-11e3-b191-71861300734c";
const QUEUE: &str = "orders";
const HOUR: Duration = Duration::from_secs(3600);

/// A REST request of project `p` about the queue `orders`, as it is after admission.
pub fn request(action: Action) -> Request {
    let mut request = Request::new(RequestId(1), action, Transport::Rest);
    request.set_project("p");
    request.set_client(CLIENT);
    request.set_target(Target { queue: QUEUE.to_owned(), ..Target::default() });
    request
}

/// A message about to be stored, which lives for an hour. The body is JSON: `"\"hello\""` is a text.
pub fn new_message(body: impl Into<Bytes>) -> NewMessage {
    NewMessage { body: body.into(), ttl: HOUR, ..NewMessage::default() }
}

/// Messages as a store gives them back that was handed these, by the client of [`request`].
pub fn stored(messages: Vec<NewMessage>, clock: &TestClock) -> Vec<Message> {
    let now = clock.now();
    let message = |(place, new): (u64, NewMessage)| Message {
        place: Place(place),
        lane: Lane::Main,
        body: new.body,
        client: CLIENT.to_owned(),
        posted: now,
        ttl: new.ttl,
        expires: now.after(new.ttl),
        due: now.after(new.delay),
        claim: None,
        claimed_until: now,
        claims: 0,
        origin: None,
        extensions: new.extensions,
    };
    (1..).zip(messages).map(message).collect()
}

/// The first attempt to notify a subscriber of a message of the queue `orders`.
pub fn delivery(subscriber: &str, payload: impl Into<Bytes>) -> Delivery {
    let queue_id = QueueId(1);
    Delivery {
        kind: DeliveryKind::Notification,
        subscriber: Subscriber {
            uri: subscriber.to_owned(),
            options: Bytes::from_static(b"{}"),
            ttl: HOUR,
            extensions: Extensions::new(),
        },
        subscription: "subscription".to_owned(),
        queue: QUEUE.to_owned(),
        queue_id,
        message: Some(MessageId { queue: queue_id, place: Place(1) }),
        payload: payload.into(),
        attempt: 1,
        extensions: Extensions::new(),
    }
}
