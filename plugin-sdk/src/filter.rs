//! The contract of a message filter.

use std::future::Future;

use crate::{Action, Call, Message, NewMessage, Request, Response, Result};

/// Sees requests and messages at up to five moments, and can change or refuse them.
///
/// A filter says once which moments of which actions it wants ([`Filter::interest`]); what it does
/// not want costs nothing. Each hook has a time-out and, when it fails, the operator's choice of
/// `refuse` or `pass`. A panic fails the request, never the host. Hooks share the host's threads:
/// code that blocks belongs into `tokio::task::spawn_blocking`; where it cannot go there, the
/// operator sets `isolate`, and each hook gets a thread of the plugin's.
///
/// ```
/// use sukkal_plugin_sdk::{Filter, Interest, Moment, Request, Response, Result, Verdict, Call};
///
/// /// Refuses requests of clients that do not say who they are.
/// struct Polite;
///
/// impl Filter for Polite {
///     type State = ();
///
///     fn interest(&self) -> Interest {
///         Interest::none().all(Moment::Request)
///     }
///
///     async fn request(&self, _call: &Call, _state: &mut (), request: &mut Request) -> Result<Verdict> {
///         if request.headers().get("user-agent").is_some() {
///             return Ok(Verdict::Continue);
///         }
///         Ok(Verdict::Respond(Response::error(400, "Who are you?", "Please send a User-Agent.")))
///     }
/// }
/// ```
pub trait Filter: Send + Sync + 'static {
    /// What the filter keeps from one moment of a request to the next: made at the first moment
    /// that it sees, dropped after the last. `()` for none.
    type State: Default + Send + 'static;

    /// Which moments of which actions the filter wants. Asked once.
    fn interest(&self) -> Interest;

    /// First of all, unless a signed URL is presented: says who the client is
    /// ([`Request::set_identity`]). Admission, route and body are not looked at yet.
    fn authenticate(
        &self,
        call: &Call,
        state: &mut Self::State,
        request: &mut Request,
    ) -> impl Future<Output = Result<Verdict>> + Send {
        let _ = (call, state, request);
        async { Ok(Verdict::Continue) }
    }

    /// After admission (headers, names, method), before query and body are read.
    fn request(
        &self,
        call: &Call,
        state: &mut Self::State,
        request: &mut Request,
    ) -> impl Future<Output = Result<Verdict>> + Send {
        let _ = (call, state, request);
        async { Ok(Verdict::Continue) }
    }

    /// Messages about to be stored, all limits checked, before anything is created. The filter may
    /// change them, not their number. Bodies must stay one JSON value each.
    fn ingress(
        &self,
        call: &Call,
        state: &mut Self::State,
        request: &Request,
        messages: &mut Vec<NewMessage>,
    ) -> impl Future<Output = Result<Verdict>> + Send {
        let _ = (call, state, request, messages);
        async { Ok(Verdict::Continue) }
    }

    /// Messages on their way to a reader or a subscriber. The filter may change them, not their
    /// number. A reader's messages cannot be skipped; a delivery can ([`Verdict::Skip`]).
    fn egress(
        &self,
        call: &Call,
        state: &mut Self::State,
        reader: &Reader<'_>,
        messages: &mut Vec<Message>,
    ) -> impl Future<Output = Result<Verdict>> + Send {
        let _ = (call, state, reader, messages);
        async { Ok(Verdict::Continue) }
    }

    /// The answer, for every request that entered: errors, early answers, time-outs, panics too.
    /// Filters are called in reverse order.
    fn response(
        &self,
        call: &Call,
        state: &mut Self::State,
        request: &Request,
        response: &mut Response,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (call, state, request, response);
        async { Ok(()) }
    }

    /// The host is ending: called once, and awaited for a bounded time.
    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Who reads the messages that pass [`Filter::egress`].
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Reader<'a> {
    /// The client of a request.
    Request(&'a Request),
    /// A subscriber.
    Delivery {
        /// The request of the service itself that stands for the delivery: it has project and queue.
        request: &'a Request,
        /// The subscription's id.
        subscription: &'a str,
    },
}

impl<'a> Reader<'a> {
    /// The request on whose behalf the messages are read.
    pub fn request(&self) -> &'a Request {
        match self {
            Reader::Request(request) | Reader::Delivery { request, .. } => request,
        }
    }
}

/// What a filter decides.
#[derive(Debug)]
pub enum Verdict {
    /// The request goes on.
    Continue,
    /// The request ends with this answer.
    Respond(Response),
    /// The subscriber does not get this delivery. Counts as an error on a reader's way.
    Skip,
}

/// The points of a request at which filters are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// [`Filter::authenticate`]
    Authenticate,
    /// [`Filter::request`]
    Request,
    /// [`Filter::ingress`]
    Ingress,
    /// [`Filter::egress`]
    Egress,
    /// [`Filter::response`]
    Response,
}

impl Moment {
    /// All moments, in the order in which a request meets them.
    pub const ALL: [Moment; 5] =
        [Moment::Authenticate, Moment::Request, Moment::Ingress, Moment::Egress, Moment::Response];

    /// As logs, metrics and errors name it.
    pub fn name(self) -> &'static str {
        match self {
            Moment::Authenticate => "authenticate",
            Moment::Request => "request",
            Moment::Ingress => "ingress",
            Moment::Egress => "egress",
            Moment::Response => "response",
        }
    }
}

/// Which moments of which actions a filter wants: a bit an action, for each moment.
///
/// Deliveries to subscribers are egress of [`Action::MessageList`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest(pub(crate) [u128; 5]);

impl Interest {
    /// In nothing.
    pub const fn none() -> Self {
        Interest([0; 5])
    }

    /// And in a moment of all actions, those of newer SDKs too.
    pub fn all(mut self, moment: Moment) -> Self {
        self.0[moment as usize] = u128::MAX;
        self
    }

    /// And in a moment of these actions.
    pub fn on(mut self, moment: Moment, actions: &[Action]) -> Self {
        for action in actions {
            self.0[moment as usize] |= bit(*action);
        }
        self
    }

    /// Whether it wants a moment of an action.
    pub fn wants(&self, moment: Moment, action: Action) -> bool {
        self.0[moment as usize] & bit(action) != 0
    }
}

fn bit(action: Action) -> u128 {
    1_u128.checked_shl(action.code()).unwrap_or(0)
}
