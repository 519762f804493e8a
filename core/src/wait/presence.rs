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

type Claim = (Arc<Queue>, ClaimId);

#[derive(Default)]
struct Client {
    has_left: bool,
    /// The claim that it is to get.
    gets: Option<Claim>,
    /// One that is being made for it: it may be there, or not, or soon.
    tries: Option<Claim>,
}

impl Presence {
    /// A client that is here. Only where it is asked for does it cost anything.
    pub(crate) fn new(service: &Arc<Service>, asked: bool) -> (Delivery, Presence) {
        let tie = || Tie { service: service.clone(), client: Mutex::default(), leaving: Notify::new() };
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

    /// Notes a claim that is about to be made: should the request end before it is known what came of it, it is
    /// given back.
    pub(crate) fn tries(&self, queue: &Arc<Queue>, claim: ClaimId) {
        if let Some(tie) = &self.0 {
            tie.client().tries = Some((queue.clone(), claim));
        }
    }

    /// It is not there, or given back already.
    pub(crate) fn has_tried(&self) {
        if let Some(tie) = &self.0 {
            tie.client().tries = None;
        }
    }

    /// Notes the claim that the client is to get: from now on it is given back if the client leaves
    /// without it. `false`: it has left already, and whoever made the claim gives it back.
    pub(crate) fn gets(&self, queue: &Arc<Queue>, claim: ClaimId) -> bool {
        let Some(tie) = &self.0 else { return true };
        let mut client = tie.client();
        if !client.has_left {
            (client.gets, client.tries) = (Some((queue.clone(), claim)), None);
        }
        !client.has_left
    }

    /// The client is told of a failure instead: it is not to get any claim.
    pub(crate) fn gets_nothing(&self) {
        if let Some(tie) = &self.0 {
            tie.gets_nothing();
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

    /// The request has ended in a panic, and can give back nothing itself.
    pub(crate) fn of_a_panic(self) -> Delivery {
        if let Some(tie) = &self.0 {
            tie.gets_nothing();
        }
        Delivery::default()
    }

    /// Once there is an answer: it is of no more interest where it tells of no claim.
    pub(crate) fn of_a_claim(self) -> Delivery {
        let claims = self.0.as_ref().is_some_and(|tie| tie.client().gets.is_some());
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
            let made = {
                let mut client = tie.client();
                client.has_left = true;
                client.gets.take()
            };
            tie.leaving.notify_waiters();
            // One that is being made is the request's own to give back.
            tie.give_back(made, false);
        }
    }
}

impl Tie {
    /// What is behind it is whole after a panic too: each change of it is one step.
    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_client_here(&self) -> bool {
        !self.client().has_left
    }

    fn gets_nothing(&self) {
        let (made, tried) = {
            let mut client = self.client();
            (client.gets.take(), client.tries.take())
        };
        self.give_back(made, false);
        self.give_back(tried, true);
    }

    fn give_back(&self, claim: Option<Claim>, may_be_on_its_way: bool) {
        if let Some((queue, claim)) = claim {
            self.service.waits.give_back(self.service.clone(), queue, claim, may_be_on_its_way);
        }
    }
}
