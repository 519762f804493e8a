//! Whether the client of a request is still there, and what becomes of a claim that it never gets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::ClaimId;
use tokio::sync::Notify;

use crate::directory::Queue;
use crate::service::Service;

/// An answer's way to its client. Dropped before it is [`delivered`](Delivery::delivered), it means
/// that the client has left: waits end, and a claim that the answer tells of is given back,
/// uncounted.
#[derive(Default)]
#[must_use = "what is not delivered is given back"]
pub struct Delivery(Option<Arc<Tie>>);

/// The request's end; none: nobody asks.
pub(crate) struct Presence(Option<Arc<Tie>>);

/// What ties a request to its client.
struct Tie {
    service: Arc<Service>,
    client: Mutex<Client>,
    leaving: Notify,
}

enum Client {
    Here,
    /// Here, and to get this claim.
    Gets(Arc<Queue>, ClaimId),
    Left,
}

impl Presence {
    /// A client that is here. Only where it is asked for does it cost anything.
    pub(crate) fn new(service: &Arc<Service>, asked: bool) -> (Delivery, Presence) {
        let tie = || Tie { service: service.clone(), client: Mutex::new(Client::Here), leaving: Notify::new() };
        let tie = asked.then(|| Arc::new(tie()));
        (Delivery(tie.clone()), Presence(tie))
    }

    /// Whether it is still here.
    pub(crate) fn is_here(&self) -> bool {
        self.0.as_ref().is_none_or(|tie| tie.is_client_here())
    }

    /// Waits until it has left.
    pub(crate) async fn left(&self) {
        let Some(tie) = &self.0 else { return std::future::pending().await };
        let mut leaving = std::pin::pin!(tie.leaving.notified());
        leaving.as_mut().enable();
        if tie.is_client_here() {
            leaving.await;
        }
    }

    /// Notes the claim that the client is to get: from now on it is given back if the client leaves
    /// without it. `false`: it has left already, and whoever made the claim gives it back.
    pub(crate) fn gets(&self, queue: &Arc<Queue>, claim: ClaimId) -> bool {
        let Some(tie) = &self.0 else { return true };
        let mut client = tie.client();
        let here = !matches!(*client, Client::Left);
        if here {
            *client = Client::Gets(queue.clone(), claim);
        }
        here
    }

    /// The client is told of a failure instead: it is not to get any claim.
    pub(crate) fn gets_nothing(&self) {
        if let Some(tie) = &self.0 {
            let here = tie.client().instead(Client::Here);
            tie.give_back(here);
        }
    }
}

impl Delivery {
    /// The answer is the client's.
    pub fn delivered(mut self) {
        self.0 = None;
    }

    /// Whether anything is given back if the answer does not reach the client.
    pub fn matters(&self) -> bool {
        self.0.is_some()
    }

    /// Once there is an answer: it is of no more interest where it tells of no claim.
    pub(crate) fn of_a_claim(self) -> Delivery {
        let claims = self.0.as_ref().is_some_and(|tie| matches!(*tie.client(), Client::Gets(..)));
        if claims {
            return self;
        }
        self.delivered();
        Delivery::default()
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(tie) = self.0.take() {
            let before = tie.client().instead(Client::Left);
            tie.leaving.notify_waiters();
            tie.give_back(before);
        }
    }
}

impl Tie {
    /// What is behind it is whole after a panic too: each change of it is one step.
    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_client_here(&self) -> bool {
        !matches!(*self.client(), Client::Left)
    }

    fn give_back(&self, client: Client) {
        if let Client::Gets(queue, claim) = client {
            self.service.waits.give_back(self.service.clone(), queue, claim);
        }
    }
}

impl Client {
    fn instead(&mut self, other: Client) -> Client {
        std::mem::replace(self, other)
    }
}
