//! One request from the first filter to the last: the only file that knows the order.

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::load::{LoadedCatalog, LoadedPool};
use sukkal_plugin_sdk::{Call, Message, Moment, NewMessage, Request, Response, Timestamp};

use crate::action;
use crate::admission::{self, Arrival};
use crate::answer::Answer;
use crate::directory::Directory;
use crate::error::{Error, ErrorKind};
use crate::janitor::Janitor;
use crate::limits::{Api, Limits};
use crate::pipeline::{FilterSpec, Passage, Pipeline};
use crate::pools::Pools;
use crate::service::{Clock, Service};
use crate::stop::Stop;

/// What the service is made of.
pub struct Parts {
    /// Where queues and their like are recorded.
    pub catalog: LoadedCatalog,
    /// Where queues without a flavor live as long as no pool is registered.
    pub default_pool: Option<LoadedPool>,
    /// The filters, in their order.
    pub filters: Vec<FilterSpec>,
    /// Named services that they provide.
    pub services: Vec<String>,
    /// Limits on what requests may ask for.
    pub limits: Limits,
    /// Switches of the API.
    pub api: Api,
    /// The host's clock.
    pub clock: Clock,
    /// The host's identity.
    pub host_id: String,
}

/// Turns an outcome into the response of a transport.
pub type Encode = fn(&Request, &Limits, Result<Answer, Error>) -> Response;

/// The service, running.
pub struct Engine {
    service: Arc<Service>,
    pipeline: Pipeline,
    janitor: Janitor,
}

/// What an action works with.
pub struct Context<'a> {
    /// What every action may use.
    pub service: &'a Service,
    /// The call that goes to the stores; its project is the request's.
    pub call: &'a Call,
    pipeline: &'a Pipeline,
    passage: &'a mut Passage,
}

impl Engine {
    /// Starts the service. Called within a tokio runtime.
    pub fn start(parts: Parts) -> Arc<Engine> {
        let wake = Arc::new(tokio::sync::Notify::new());
        let pools = Arc::new(Pools::new(parts.default_pool));
        let service = Arc::new(Service {
            directory: Directory::new(parts.catalog.clone(), pools.clone(), parts.clock.clone(), wake.clone()),
            pools,
            catalog: parts.catalog,
            limits: parts.limits,
            api: parts.api,
            services: parts.services,
            clock: parts.clock,
        });
        let janitor = Janitor::start(service.clone(), wake);
        tracing::debug!(host = parts.host_id, "the service runs");
        Arc::new(Engine { service, pipeline: Pipeline::new(parts.filters), janitor })
    }

    /// Limits on what requests may ask for.
    pub fn limits(&self) -> &Limits {
        &self.service.limits
    }

    /// Answers a request. It runs to its end even when the caller stops waiting.
    pub async fn handle(self: &Arc<Self>, request: Request, arrival: Arrival, encode: Encode) -> Response {
        let (id, action, transport) = (request.id(), request.action(), request.transport());
        tokio::spawn(self.clone().run(request, arrival, encode)).await.unwrap_or_else(|error| {
            tracing::error!(%error, request = %id, %action, "a request failed");
            encode(
                &Request::new(id, action, transport),
                &self.service.limits,
                Err(Error::new(ErrorKind::Internal, "Unexpected error.")),
            )
        })
    }

    async fn run(self: Arc<Self>, mut request: Request, arrival: Arrival, encode: Encode) -> Response {
        let time = Duration::from_secs(self.service.limits.request_timeout);
        let deadline = self.service.now().after(time);
        let mut passage = Passage::default();
        let outcome = tokio::time::timeout(time, self.serve(&mut request, &arrival, &mut passage, deadline)).await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut, "The request took too long.").into()));
        let mut response = match outcome {
            Ok(answer) => encode(&request, &self.service.limits, Ok(answer)),
            Err(Stop::Respond(response)) => *response,
            Err(Stop::Error(error)) => {
                log(&request, &error);
                encode(&request, &self.service.limits, Err(error))
            }
        };
        if self.pipeline.wants(Moment::Response, &request) {
            let call = call(&request, deadline);
            self.pipeline.leave(&call, &mut passage, &request, &mut response).await;
        }
        response
    }

    async fn serve(
        &self,
        request: &mut Request,
        arrival: &Arrival,
        passage: &mut Passage,
        deadline: Timestamp,
    ) -> Result<Answer, Stop> {
        let (service, pipeline) = (&*self.service, &self.pipeline);
        pipeline.authenticate(&call(request, deadline), passage, request).await?;
        admission::check(request, arrival, &service.limits, &service.api)?;
        let call = call(request, deadline);
        pipeline.enter(&call, passage, request).await?;
        action::run(&mut Context { service, call: &call, pipeline, passage }, request).await
    }

    /// Ends the service: no more work of its own, then the plugins, each for a bounded time.
    pub async fn shutdown(&self) {
        const EACH: Duration = Duration::from_secs(5);
        self.janitor.stop().await;
        let call = self.service.own_call(EACH);
        for filter in self.pipeline.filters() {
            ended(&filter.name, tokio::time::timeout(EACH, filter.filter.shutdown(&call)).await);
        }
        for (name, pool) in self.service.pools.all() {
            let name = if name.is_empty() { "default pool" } else { name };
            ended(name, tokio::time::timeout(EACH, pool.shutdown(&call)).await);
        }
        ended("catalog", tokio::time::timeout(EACH, self.service.catalog.shutdown(&call)).await);
    }
}

impl Context<'_> {
    /// Lets the filters see messages about to be stored.
    pub async fn ingress(&mut self, request: &Request, messages: Vec<NewMessage>) -> Result<Vec<NewMessage>, Stop> {
        self.pipeline.ingress(self.call, self.passage, request, messages).await
    }

    /// Lets the filters see messages on their way to the client.
    pub async fn egress(&mut self, request: &Request, messages: Vec<Message>) -> Result<Vec<Message>, Stop> {
        self.pipeline.egress(self.call, self.passage, request, messages).await
    }

    /// Whether any filter wants to see messages on their way to this client.
    pub fn wants_egress(&self, request: &Request) -> bool {
        self.pipeline.wants(Moment::Egress, request)
    }
}

fn call(request: &Request, deadline: Timestamp) -> Call {
    let call = Call::new(request.id(), request.project(), deadline);
    match request.headers().get("traceparent") {
        Some(parent) => call.with_trace_parent(parent),
        None => call,
    }
}

/// Our failures are logged once, here, where they are answered; refusals only in detail.
fn log(request: &Request, error: &Error) {
    let (id, action, project, queue) = (request.id(), request.action(), request.project(), request.queue());
    match error.kind {
        ErrorKind::Internal => tracing::error!(%error, request = %id, %action, project, queue, "a request failed"),
        ErrorKind::Unavailable | ErrorKind::TimedOut => {
            tracing::warn!(%error, request = %id, %action, project, queue, "a request failed");
        }
        _ => tracing::debug!(%error, request = %id, %action, project, queue, "a request was refused"),
    }
}

fn ended(name: &str, outcome: Result<sukkal_plugin_sdk::Result<()>, tokio::time::error::Elapsed>) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, name, "a plugin did not end well"),
        Err(_) => tracing::warn!(name, "a plugin did not end in time"),
    }
}
