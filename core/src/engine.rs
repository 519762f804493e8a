//! One request from the first filter to the last: the only file that knows the order.

use std::any::Any;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use sukkal_plugin_sdk::load::{OpenCatalog, OpenPool};
use sukkal_plugin_sdk::{Call, Message, Moment, NewMessage, Request, Response, Timestamp};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::action;
use crate::admission::{self, Arrival, Terms};
use crate::answer::Answer;
use crate::depths::Depths;
use crate::directory::Directory;
use crate::error::{Error, ErrorKind};
use crate::janitor::Janitor;
use crate::limits::{Api, Limits};
use crate::observer::{Observer, Outcome, Watch};
use crate::pipeline::Passage;
use crate::pools::{Member, PoolOpener, Pools};
use crate::post_order::Turn;
use crate::probe::Probe;
use crate::service::{Clock, Service};
use crate::session::Session;
use crate::signed_url::UrlSigner;
use crate::snapshot::{ENDING, Filters, Reloadable, Snapshot, ended};
use crate::stop::Stop;
use crate::subscriber::Notifications;
use crate::to_its_end::ToItsEnd;
use crate::wait::{self, Delivery, Presence, Waits};

/// How long the catalog may take to say which store the default pool had.
const COMPARING: Duration = Duration::from_secs(5);

/// What the service is made of.
pub struct Parts {
    /// Where queues and their like are recorded.
    pub catalog: OpenCatalog,
    /// Where queues without a flavor live as long as no pool is registered.
    pub default_pool: Option<OpenPool>,
    /// What opens the pools that are registered.
    pub pools: Arc<dyn PoolOpener>,
    /// What can be changed later.
    pub reloadable: Reloadable,
    /// The host's clock.
    pub clock: Clock,
    /// Who hears of every request.
    pub observer: Arc<dyn Observer>,
    /// The host's identity.
    pub host_id: String,
}

/// Turns an outcome into the response of a transport.
pub type Encode = fn(&Request, &Limits, Result<Answer, Error>) -> Response;

/// The service, running.
pub struct Engine {
    service: Arc<Service>,
    janitor: Janitor,
    observer: Arc<dyn Observer>,
    filters: Mutex<Chain>,
    /// Requests that go on though their clients have left.
    left: TaskTracker,
}

/// The filters in use, and those that end as soon as no request sees them any more.
struct Chain {
    current: Option<Filters>,
    ending: JoinSet<()>,
}

/// What a request runs under.
#[derive(Clone, Copy)]
struct Conditions<'a> {
    snapshot: &'a Snapshot,
    presence: &'a Presence,
    deadline: Timestamp,
}

/// What an action works with.
pub struct Context<'a> {
    /// What every action may use.
    pub service: &'a Arc<Service>,
    /// The call that goes to the stores; its project is the request's.
    pub call: &'a Call,
    /// Whether the client still waits.
    pub presence: &'a Presence,
    /// The connection on which the request came; see [`Arrival::connection`].
    pub connection: Option<&'a Session>,
    /// Whether the request has a body that is too long; see [`Arrival::body_too_long`].
    pub body_too_long: bool,
    /// See [`Arrival::counted_size`].
    pub counted_size: Option<usize>,
    /// The place of a post among others; see [`Arrival::turn`].
    pub turn: Option<&'a Turn>,
    snapshot: &'a Snapshot,
    passage: &'a mut Passage,
}

impl Engine {
    /// Starts the service. Called within a tokio runtime.
    pub fn start(parts: Parts) -> Arc<Engine> {
        let wake = Arc::new(tokio::sync::Notify::new());
        let pools = Arc::new(Pools::new(parts.default_pool, parts.catalog.clone(), parts.pools));
        let (snapshot, filters) = Snapshot::new(parts.reloadable);
        let current = Arc::new(ArcSwap::new(snapshot));
        let (catalog, clock) = (parts.catalog.clone(), parts.clock.clone());
        let service = Arc::new(Service {
            directory: Directory::new(
                catalog,
                pools.clone(),
                clock,
                current.clone(),
                wake.clone(),
                parts.host_id.clone(),
            ),
            pools,
            waits: Waits::new(parts.clock.clone()),
            catalog: parts.catalog,
            current,
            clock: parts.clock,
            probe: Probe::default(),
        });
        let janitor = Janitor::start(service.clone(), wake);
        tracing::debug!(host = parts.host_id, "the service runs");
        let filters = Mutex::new(Chain { current: Some(filters), ending: JoinSet::new() });
        Arc::new(Engine { service, janitor, observer: parts.observer, filters, left: TaskTracker::new() })
    }

    /// Warns where the default pool has another store than at the last start (which may be
    /// the same that has moved). Bounded in time; a catalog that cannot tell keeps nobody from starting.
    pub async fn compare_default_store(&self) {
        let pools = &self.service.pools;
        let compared = self.service.own(COMPARING, |call| async move { pools.compare_default(&call).await }).await;
        if let Err(error) = compared {
            tracing::warn!(%error, "the catalog does not say which store the default pool had");
        }
    }

    /// What is in force now. A transport takes it when a request comes in, and hands it on to
    /// [`Engine::handle`], so that the request sees one and the same from beginning to end.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.service.snapshot()
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Why the service cannot be of use now: the catalog or the default pool does not answer.
    pub async fn unready(&self) -> Option<String> {
        self.service.unready().await
    }

    /// The pools of this host, open or not; the default pool first.
    pub fn pools(&self) -> Vec<Arc<Member>> {
        self.service.pools.all()
    }

    /// How deep a project's queues are: a page of at most `limit`, after a name.
    ///
    /// # Errors
    /// `BadValue`: the project's id is not valid. Otherwise the catalog does not answer.
    pub async fn depths(&self, project: &str, after: Option<&str>, limit: u32) -> Result<Depths, Error> {
        self.service.depths(project, after, limit).await
    }

    /// Puts other limits, switches and filters in force, for requests that come in from now on. The
    /// filters of before end once the last request that sees them has ended.
    pub fn reload(&self, reloadable: Reloadable) {
        let (snapshot, filters) = Snapshot::new(reloadable);
        let mut chain = lock(&self.filters);
        let before = self.service.current.swap(snapshot);
        let longest = Duration::from_secs(before.limits.request_timeout + before.limits.max_wait);
        drop(before);
        while chain.ending.try_join_next().is_some() {}
        if let Some(mut old) = chain.current.replace(filters) {
            let service = self.service.clone();
            chain.ending.spawn(async move {
                old.unused(longest + ENDING).await;
                old.end(&service.last_call(ENDING)).await;
            });
        }
    }

    /// Answers a request. It runs to its end even when the caller stops waiting; only waits end. The
    /// caller says when the answer has been delivered: what it tells of is given back otherwise.
    pub async fn handle(
        self: &Arc<Self>,
        snapshot: Arc<Snapshot>,
        request: Request,
        arrival: Arrival,
        encode: Encode,
    ) -> (Response, Delivery) {
        let (id, action, transport) = (request.id(), request.action(), request.transport());
        let (delivery, presence) = Presence::new(&self.service, wait::may_wait(&request));
        let run = self.clone().run(snapshot, request, arrival, presence, encode);
        match ToItsEnd::new(run, &self.left).await {
            Ok(response) => (response, delivery.of_a_claim()),
            Err(panic) => {
                let error = panic_text(panic.as_ref());
                tracing::error!(error, request = %id, %action, "a request panicked");
                let error = Error::new(ErrorKind::Internal, "Unexpected error.");
                let request = Request::new(id, action, transport);
                (encode(&request, &self.snapshot().limits, Err(error)), delivery.of_a_panic())
            }
        }
    }

    async fn run(
        self: Arc<Self>,
        snapshot: Arc<Snapshot>,
        mut request: Request,
        arrival: Arrival,
        presence: Presence,
        encode: Encode,
    ) -> Response {
        let limits = &snapshot.limits;
        let time = Duration::from_secs(limits.request_timeout) + wait::extra_time(&request, limits);
        let deadline = self.service.now().after(time);
        let mut passage = Passage::default();
        let mut watch = Watch::begin(&*self.observer, &request);
        let under = Conditions { snapshot: &snapshot, presence: &presence, deadline };
        let serving = self.serve(under, &mut request, &arrival, &mut passage);
        let outcome = tokio::time::timeout(time, serving).await;
        let outcome = outcome.unwrap_or_else(|_| {
            presence.gets_nothing();
            Err(Error::new(ErrorKind::TimedOut, "The request took too long.").into())
        });
        let mut response = match outcome {
            Ok(answer) => {
                watch.outcome(Outcome::Ok);
                watch.messages(answer.n_messages());
                encode(&request, &snapshot.limits, Ok(answer))
            }
            Err(Stop::Respond(response)) => {
                watch.outcome(Outcome::Filtered);
                *response
            }
            Err(Stop::Error(error)) => {
                watch.outcome(Outcome::from(&error.kind));
                log(&request, &error);
                encode(&request, &snapshot.limits, Err(error))
            }
        };
        if snapshot.pipeline().wants(Moment::Response, &request) {
            let call = call(&request, deadline);
            snapshot.pipeline().leave(&call, &mut passage, &request, &mut response).await;
        }
        response
    }

    async fn serve(
        &self,
        under: Conditions<'_>,
        request: &mut Request,
        arrival: &Arrival,
        passage: &mut Passage,
    ) -> Result<Answer, Stop> {
        let Conditions { snapshot, deadline, .. } = under;
        let (service, pipeline) = (&self.service, snapshot.pipeline());
        if let Some(refused) = &arrival.refused {
            return Err(refused.clone().into());
        }
        // Who presents a signed URL needs no other credentials: admission looks at the signature.
        if arrival.signed.is_none() && !admission::is_for_everybody(request.action()) {
            pipeline.authenticate(&call(request, deadline), passage, request).await?;
        }
        admission::check(request, arrival, &Terms { snapshot, now: service.now() })?;
        let call = call(request, deadline);
        pipeline.enter(&call, passage, request).await?;
        let (presence, connection, turn) = (under.presence, arrival.connection.as_deref(), arrival.turn.as_deref());
        let (body_too_long, counted_size) = (arrival.body_too_long, arrival.counted_size);
        let mut context = Context {
            service,
            call: &call,
            presence,
            connection,
            body_too_long,
            counted_size,
            turn,
            snapshot,
            passage,
        };
        action::run(&mut context, request).await
    }

    /// The end is near: every wait ends, so long polls are answered at once, and no work of the service's own begins.
    pub fn prepare_shutdown(&self) {
        self.service.waits.end();
        self.janitor.end();
    }

    /// Ends the service: requests whose clients have left come to their ends, and its own work does; then the plugins,
    /// each for a bounded time.
    pub async fn shutdown(&self) {
        self.prepare_shutdown();
        let requests = async {
            self.left.close();
            if tokio::time::timeout(ENDING, self.left.wait()).await.is_err() {
                tracing::warn!("requests go on whose clients have left; they are not waited for any more");
            }
            // What they have claimed is given back.
            self.service.waits.stop().await;
        };
        tokio::join!(self.janitor.stop(), requests);
        let call = self.service.last_call(ENDING);
        self.end_filters(&call).await;
        self.service.pools.close().await;
        ended("catalog", tokio::time::timeout(ENDING, self.service.catalog.shutdown(&call)).await);
    }

    /// The filters in use, and those of before a reload.
    async fn end_filters(&self, call: &Call) {
        let (current, mut ending) = {
            let mut chain = lock(&self.filters);
            (chain.current.take(), std::mem::take(&mut chain.ending))
        };
        if let Some(filters) = current {
            filters.end(call).await;
        }
        let _ = tokio::time::timeout(ENDING, async { while ending.join_next().await.is_some() {} }).await;
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without text")
}

/// What is behind it is whole after a panic too: each change of it is one step.
fn lock(filters: &Mutex<Chain>) -> std::sync::MutexGuard<'_, Chain> {
    filters.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<'a> Context<'a> {
    /// Limits on what requests may ask for.
    pub fn limits(&self) -> &'a Limits {
        &self.snapshot.limits
    }

    /// Switches of the API.
    pub fn api(&self) -> &'a Api {
        &self.snapshot.api
    }

    /// Whether any filter asks who sends a request.
    pub fn asks_identity(&self) -> bool {
        self.snapshot.asks_identity()
    }

    /// Whether a filter in use provides a named service.
    pub fn provides(&self, service: &str) -> bool {
        self.snapshot.provides(service)
    }

    /// What signs URLs, where there is a key for that.
    pub fn url_signer(&self) -> Option<&UrlSigner> {
        self.snapshot.url_signer.as_ref()
    }

    /// Whom clients may subscribe.
    pub fn notifications(&self) -> &Notifications {
        &self.snapshot.notifications
    }

    /// Lets the filters see messages about to be stored.
    pub async fn ingress(&mut self, request: &Request, messages: Vec<NewMessage>) -> Result<Vec<NewMessage>, Stop> {
        self.snapshot.pipeline().ingress(self.call, self.passage, request, messages).await
    }

    /// Lets the filters see messages on their way to the client.
    pub async fn egress(&mut self, request: &Request, messages: Vec<Message>) -> Result<Vec<Message>, Stop> {
        self.snapshot.pipeline().egress(self.call, self.passage, request, messages).await
    }

    /// Whether any filter wants to see messages on their way to this client.
    pub fn wants_egress(&self, request: &Request) -> bool {
        self.snapshot.pipeline().wants(Moment::Egress, request)
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
