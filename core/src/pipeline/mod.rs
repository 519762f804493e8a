//! Calls the filters at the moments of a request.

mod answer;
pub(crate) mod held;
mod plan;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sukkal_plugin_sdk::load::{CallObserver, FilterState, LoadedFilter, observe};
use sukkal_plugin_sdk::{
    self as sdk, Action, Bytes, Call, Message, Moment, NewMessage, Reader, Request, Response, Verdict,
};

use self::answer::Before;
use self::plan::Plan;
use crate::error::Error;
use crate::stop::Stop;

/// A filter as the configuration sets it up.
pub struct FilterSpec {
    /// The name by which the configuration knows it.
    pub name: Arc<str>,
    /// The filter.
    pub filter: LoadedFilter,
    /// How long each of its hooks may take.
    pub timeout: Duration,
    /// What happens to the request when the filter fails.
    pub on_error: OnError,
    /// These projects alone; empty: all. Not asked at `authenticate`, where there is none yet.
    pub projects: Vec<String>,
    /// Queues that match one of these patterns (`*`, `?`) alone; empty: all.
    pub queues: Vec<glob::Pattern>,
    /// These actions alone; empty: all. Not asked at `authenticate` either.
    pub actions: Vec<Action>,
    /// Who hears of every call of it; the method is the moment's name.
    pub observer: Option<Arc<dyn CallObserver>>,
}

/// What happens to a request when a filter fails: breaks, or does not answer in time. What a filter
/// refuses (`Invalid`, `Forbidden` and the like) stays refused.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It is refused with 503, or 500 for a fault of the filter.
    Refuse,
    /// It goes on without the filter.
    Pass,
}

/// Why a filter cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It panicked when it was asked what it wants.
    Panicked,
    /// It takes part in `authenticate`, and is to be passed over when it fails: then everybody would be let in.
    LetsIn,
}

/// The filters in their order.
#[derive(Default)]
pub struct Pipeline {
    filters: Vec<FilterSpec>,
    plan: Plan,
}

/// What the filters keep for one request.
#[derive(Default)]
pub struct Passage(Vec<FilterState>);

impl Pipeline {
    /// Asks each filter once what it wants.
    ///
    /// # Errors
    /// The first that cannot be used, by its name.
    pub fn new(filters: Vec<FilterSpec>) -> Result<Self, (Arc<str>, Unfit)> {
        let plan = Plan::of(&filters)?;
        Ok(Pipeline { filters, plan })
    }

    /// The filters, with their names.
    pub(crate) fn filters(&self) -> Vec<(Arc<str>, LoadedFilter)> {
        self.filters.iter().map(|spec| (spec.name.clone(), spec.filter.clone())).collect()
    }

    /// Whether any filter asks who sends a request.
    pub fn asks_identity(&self) -> bool {
        Action::ALL.iter().any(|action| !self.plan.who_wants(Moment::Authenticate, *action).is_empty())
    }

    /// Whether any filter wants a moment of this request.
    pub fn wants(&self, moment: Moment, request: &Request) -> bool {
        self.wanting(moment, request).next().is_some()
    }

    /// Those who want a moment of this request, with their positions.
    fn wanting<'a>(
        &'a self,
        moment: Moment,
        request: &'a Request,
    ) -> impl DoubleEndedIterator<Item = (usize, &'a FilterSpec)> {
        let positions = self.plan.who_wants(moment, request.action()).iter();
        positions
            .map(|position| (*position, &self.filters[*position]))
            .filter(move |(_, filter)| filter.covers(moment, request))
    }

    /// The filters' first word on who the client is.
    pub async fn authenticate(&self, call: &Call, passage: &mut Passage, request: &mut Request) -> Result<(), Stop> {
        for position in self.plan.who_wants(Moment::Authenticate, request.action()) {
            let filter = &self.filters[*position];
            let hook = filter.filter.authenticate(call, passage.state(*position, self), request);
            filter.decide(call, Moment::Authenticate, hook).await?;
        }
        Ok(())
    }

    /// Policy, quotas, limits.
    pub async fn enter(&self, call: &Call, passage: &mut Passage, request: &mut Request) -> Result<(), Stop> {
        for position in self.plan.who_wants(Moment::Request, request.action()) {
            let filter = &self.filters[*position];
            if filter.covers(Moment::Request, request) {
                let hook = filter.filter.request(call, passage.state(*position, self), request);
                filter.decide(call, Moment::Request, hook).await?;
            }
        }
        Ok(())
    }

    /// Messages on their way in.
    pub async fn ingress(
        &self,
        call: &Call,
        passage: &mut Passage,
        request: &Request,
        mut messages: Vec<NewMessage>,
    ) -> Result<Vec<NewMessage>, Stop> {
        for (position, filter) in self.wanting(Moment::Ingress, request) {
            let kept = filter.keep(&messages);
            let n_messages = messages.len();
            let hook = filter.filter.ingress(call, passage.state(position, self), request, messages);
            let checked = async {
                let (verdict, messages) = hook.await?;
                FilterSpec::check(&verdict, n_messages, messages.iter().map(|message| &message.body))?;
                Ok((verdict, messages))
            };
            messages = match filter.guard(call, Moment::Ingress, checked).await? {
                None => kept,
                Some((verdict, messages)) => {
                    obey(verdict)?;
                    messages
                }
            };
        }
        Ok(messages)
    }

    /// Messages on their way to a reader.
    pub async fn egress(
        &self,
        call: &Call,
        passage: &mut Passage,
        request: &Request,
        mut messages: Vec<Message>,
    ) -> Result<Vec<Message>, Stop> {
        for (position, filter) in self.wanting(Moment::Egress, request) {
            let kept = filter.keep(&messages);
            let n_messages = messages.len();
            let hook = filter.filter.egress(call, passage.state(position, self), Reader::Request(request), messages);
            let checked = async {
                let (verdict, messages) = hook.await?;
                FilterSpec::check(&verdict, n_messages, messages.iter().map(|message| &message.body))?;
                Ok((verdict, messages))
            };
            messages = match filter.guard(call, Moment::Egress, checked).await? {
                None => kept,
                Some((verdict, messages)) => {
                    obey(verdict)?;
                    messages
                }
            };
        }
        Ok(messages)
    }

    /// The answer, in reverse order. A filter that fails here cannot refuse any more: it is logged, and what it has
    /// made of the answer is taken back.
    pub async fn leave(&self, call: &Call, passage: &mut Passage, request: &Request, response: &mut Response) {
        for (position, filter) in self.wanting(Moment::Response, request).rev() {
            let before = Before::of(response);
            let checked = async {
                filter.filter.response(call, passage.state(position, self), request, &mut *response).await?;
                before.fault(response).map_or(Ok(()), broken)
            };
            let guarded = filter.guard(call, Moment::Response, checked).await;
            if !matches!(guarded, Ok(Some(()))) {
                before.restore(response);
            }
            if let Err(Stop::Error(error)) = guarded {
                tracing::warn!(%error, request = %request.id(), "a filter failed on the answer");
            }
        }
    }
}

impl Passage {
    fn state(&mut self, position: usize, pipeline: &Pipeline) -> &mut FilterState {
        if self.0.is_empty() {
            self.0.resize_with(pipeline.filters.len(), FilterState::default);
        }
        &mut self.0[position]
    }
}

impl FilterSpec {
    /// Whether a request is one of those to which the configuration limits the filter.
    fn covers(&self, moment: Moment, request: &Request) -> bool {
        let project = self.projects.is_empty()
            || moment == Moment::Authenticate
            || self.projects.iter().any(|project| project == request.project());
        let queue = self.queues.is_empty() || self.queues.iter().any(|queue| queue.matches(request.queue()));
        project && queue
    }

    /// What the request goes on with if the filter fails and is passed over.
    fn keep<T: Clone>(&self, messages: &[T]) -> Vec<T> {
        if self.on_error == OnError::Pass { messages.to_vec() } else { Vec::new() }
    }

    /// Runs a hook that only decides.
    async fn decide(
        &self,
        call: &Call,
        moment: Moment,
        hook: impl Future<Output = sdk::Result<Verdict>>,
    ) -> Result<(), Stop> {
        let checked = async {
            let verdict = hook.await?;
            FilterSpec::check(&verdict, 0, std::iter::empty())?;
            Ok(verdict)
        };
        self.guard(call, moment, checked).await?.map_or(Ok(()), obey)
    }

    /// Runs a hook within its time. `None`: it failed, and is passed over, which is logged: no answer tells of it.
    async fn guard<T>(
        &self,
        call: &Call,
        moment: Moment,
        hook: impl Future<Output = sdk::Result<T>>,
    ) -> Result<Option<T>, Stop> {
        let in_time = async {
            let slow = |_| Err(sdk::Error::new(sdk::ErrorKind::TimedOut, "a filter did not answer in time"));
            let hook = held::known(&self.name, moment.name(), hook);
            tokio::time::timeout(self.timeout, hook).await.unwrap_or_else(slow)
        };
        let error = match observe(self.observer.as_deref(), moment.name(), in_time).await {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        if refuses(error.kind) {
            return Err(Error::from(error).into());
        }
        let error = self.named(moment, error);
        match self.on_error {
            OnError::Pass => {
                tracing::warn!(%error, request = %call.request_id(), "a filter failed, and is passed over");
                Ok(None)
            }
            OnError::Refuse => Err(Error::from(error).into()),
        }
    }

    /// A failure of the filter, which whoever answers the request logs: with the filter and the moment.
    fn named(&self, moment: Moment, error: sdk::Error) -> sdk::Error {
        let (name, moment) = (&self.name, moment.name());
        let detail = match &*error.detail {
            "" => format!("filter {name} at {moment}"),
            detail => format!("filter {name} at {moment}: {detail}"),
        };
        error.detail(detail)
    }

    /// A filter that goes on must keep the number of messages, and each body one JSON value; what it answers must be an
    /// answer; and it can skip deliveries alone.
    fn check<'a>(
        verdict: &Verdict,
        n_messages: usize,
        mut bodies: impl ExactSizeIterator<Item = &'a Bytes>,
    ) -> sdk::Result<()> {
        match verdict {
            Verdict::Respond(response) => answer::fault(response).map_or(Ok(()), broken),
            Verdict::Skip => broken("it skipped what is no delivery"),
            Verdict::Continue if bodies.len() != n_messages => broken("it changed the number of messages"),
            Verdict::Continue if bodies.any(|body| serde_json::from_slice::<&RawValue>(body).is_err()) => {
                broken("it made a body that is not one JSON value")
            }
            Verdict::Continue => Ok(()),
        }
    }
}

fn broken<T>(what: &str) -> sdk::Result<T> {
    Err(sdk::Error::internal("a filter failed").detail(what))
}

/// What a filter decided is done.
fn obey(verdict: Verdict) -> Result<(), Stop> {
    match verdict {
        Verdict::Respond(response) => Err(Stop::Respond(Box::new(response))),
        // Skipping is looked for before.
        Verdict::Continue | Verdict::Skip => Ok(()),
    }
}

/// Whether an error is a filter's word on the request rather than its own failure.
fn refuses(kind: sdk::ErrorKind) -> bool {
    matches!(
        kind,
        sdk::ErrorKind::Invalid
            | sdk::ErrorKind::NotFound
            | sdk::ErrorKind::Conflict
            | sdk::ErrorKind::TooLarge
            | sdk::ErrorKind::Forbidden
            | sdk::ErrorKind::Unauthorized
    )
}
