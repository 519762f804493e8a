//! A service over stores in memory, and requests to it.

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::load::{CallObserver, LoadedFilter, OpenCatalog, OpenPool};
use sukkal_plugin_sdk::{
    self as sdk, Action, Call, Filter, Interest, Message, Moment, NewMessage, Reader, Request, RequestId, Response,
    Target, Transport, Verdict,
};

use super::opener::Stores;
use super::records::Records;
use super::stores::{Headers, Messages};
use crate::admission::Arrival;
use crate::answer::{Answer, MessageView};
use crate::directory::Queue;
use crate::engine::{Engine, Parts};
use crate::error::Error;
use crate::limits::Limits;
use crate::name::{Kind, Named};
use crate::pipeline::{FilterSpec, OnError, Pipeline};
use crate::snapshot::Reloadable;

pub(super) struct Service {
    engine: Arc<Engine>,
    /// What the catalog holds.
    pub(super) records: Records,
    /// What becomes of the default pool's headers.
    pub(super) headers: Headers,
    /// What pools can be registered of.
    pub(super) stores: Stores,
}

/// A filter that refuses messages on their way out while a request has the header `break`.
struct Breaking;

impl Filter for Breaking {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::none().all(Moment::Egress).all(Moment::Ingress)
    }

    async fn ingress(
        &self,
        _call: &Call,
        _state: &mut (),
        request: &Request,
        _messages: &mut Vec<NewMessage>,
    ) -> sdk::Result<Verdict> {
        broken(request)
    }

    async fn egress(
        &self,
        _call: &Call,
        _state: &mut (),
        reader: &Reader<'_>,
        _messages: &mut Vec<Message>,
    ) -> sdk::Result<Verdict> {
        broken(reader.request())
    }
}

fn broken(request: &Request) -> sdk::Result<Verdict> {
    match request.headers().get("break") {
        Some(_) => Err(sdk::Error::unavailable("the filter is broken")),
        None => Ok(Verdict::Continue),
    }
}

impl Service {
    pub(super) fn start() -> Self {
        let [service, _] = Service::pair();
        service
    }

    /// Two hosts on the same stores.
    pub(super) fn pair() -> [Self; 2] {
        let (records, headers, stores) = (Records::default(), Headers::default(), Stores::default());
        let pool = OpenPool::new(Messages::with(headers.clone()));
        [(); 2].map(|()| {
            let service = Service::with(records.clone(), Some(pool.clone()), stores.clone(), Vec::new());
            Service { headers: headers.clone(), ..service }
        })
    }

    /// One whose requests may take a second.
    pub(super) fn hasty() -> Self {
        let headers = Headers::default();
        let pool = Some(OpenPool::new(Messages::with(headers.clone())));
        let service = Service::with(Records::default(), pool, Stores::default(), Vec::new());
        let limits = Limits { request_timeout: 1, ..Limits::default() };
        service.engine.reload(Reloadable { limits, ..Reloadable::default() });
        Service { headers, ..service }
    }

    /// One that tells this of the calls of its pool.
    pub(super) fn observed(observer: Arc<dyn CallObserver>) -> Self {
        let pool = OpenPool::new(Messages::default()).observed(observer);
        Service::with(Records::default(), Some(pool), Stores::default(), Vec::new())
    }

    /// Two hosts on one catalog, without a default pool.
    pub(super) fn poolless_pair() -> [Self; 2] {
        let (records, stores) = (Records::default(), Stores::default());
        [(); 2].map(|()| Service::with(records.clone(), None, stores.clone(), Vec::new()))
    }

    /// With a filter that sees every message, and breaks on request.
    pub(super) fn filtered() -> Self {
        let filter = FilterSpec {
            name: "breaking".into(),
            filter: LoadedFilter::new(Breaking),
            timeout: Duration::from_secs(5),
            on_error: OnError::Refuse,
            projects: Vec::new(),
            queues: Vec::new(),
            actions: Vec::new(),
            observer: None,
        };
        let headers = Headers::default();
        let pool = Some(OpenPool::new(Messages::with(headers.clone())));
        Service { headers, ..Service::with(Records::default(), pool, Stores::default(), vec![filter]) }
    }

    fn with(records: Records, pool: Option<OpenPool>, stores: Stores, filters: Vec<FilterSpec>) -> Self {
        let time = records.time.clone();
        let pipeline = Pipeline::new(filters).expect("they say what they want");
        let engine = Engine::start(Parts {
            catalog: OpenCatalog::new(records.clone()),
            default_pool: pool,
            pools: Arc::new(stores.clone()),
            reloadable: Reloadable { pipeline, ..Reloadable::default() },
            clock: Arc::new(move || time.now()),
            observer: Arc::new(()),
            host_id: "test".to_owned(),
        });
        Service { engine, records, headers: Headers::default(), stores }
    }

    /// How many pools are watched once a queue's has been looked for.
    pub(super) fn watched_with(&self, queue: &Queue) -> usize {
        self.engine.service().waits.watched_with(queue)
    }

    /// What comes of an operation of which the pool says each time that the queue's record is old, and that nobody knows
    /// what came of it; there is no time left.
    pub(super) async fn always_stale(&self, queue: Arc<Queue>) -> sdk::Result<Option<()>> {
        let service = self.engine.service();
        let call = Call::new(RequestId(1), queue.project.as_str(), service.now());
        let stale = async |_| Err(sdk::Error::new(sdk::ErrorKind::Stale, "an old record").unknown());
        service.directory.on(&call, queue.clone(), stale).await
    }

    /// Lets the clock of host and stores go on.
    pub(super) fn advance(&self, seconds: u64) {
        self.records.time.advance(Duration::from_secs(seconds));
    }

    /// A request about the queue `q`, to be completed and sent.
    pub(super) fn ask(&self, action: Action) -> Ask<'_> {
        let mut request = Request::new(RequestId(1), action, Transport::Rest);
        request.headers_mut().add("client-id", "3381af92-2b9e-11e3-b191-71861300734c");
        request.headers_mut().add("x-project-id", "p");
        Ask { service: self, request, target: Target { queue: "q".to_owned(), ..Target::default() } }
    }

    /// Posts messages with these bodies; gives their ids.
    pub(super) async fn post(&self, bodies: &[&str]) -> Vec<String> {
        let messages: Vec<_> = bodies.iter().map(|body| format!("{{\"body\":{body}}}")).collect();
        let ask = self.ask(Action::MessagePost).body(&format!("{{\"messages\":[{}]}}", messages.join(",")));
        ask.send().await.split(' ').map(str::to_owned).collect()
    }

    /// The bodies of all messages, claimed ones too.
    pub(super) async fn bodies(&self) -> String {
        self.ask(Action::MessageList).param("echo", "true").param("include_claimed", "true").send().await
    }
}

pub(super) struct Ask<'a> {
    service: &'a Service,
    request: Request,
    target: Target,
}

impl Ask<'_> {
    pub(super) fn queue(mut self, name: &str) -> Self {
        self.target.queue = name.to_owned();
        self
    }

    pub(super) fn item(mut self, item: &str) -> Self {
        self.target.item = item.to_owned();
        self
    }

    pub(super) fn param(mut self, name: &str, value: &str) -> Self {
        self.request.params_mut().add(name, value);
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.request.headers_mut().add(name, value);
        self
    }

    pub(super) fn body(mut self, body: &str) -> Self {
        self.request.set_body(body.to_owned());
        self
    }

    /// The queue that it is about.
    pub(super) async fn found(self) -> Arc<Queue> {
        let service = self.service.engine.service();
        let (call, named) =
            (service.last_call(Duration::from_secs(5)), Named { kind: Kind::Queue, name: &self.target.queue });
        let call = Call::new(call.request_id(), "p", call.deadline());
        service.directory.find(&call, named).await.unwrap().unwrap()
    }

    /// What comes of it, in short: bodies or ids separated by blanks, else the answer's name, or
    /// the refusal's kind and text.
    pub(super) async fn send(mut self) -> String {
        self.request.set_target(self.target);
        let arrival = Arrival::default();
        let engine = &self.service.engine;
        let (mut response, delivery) = engine.handle(engine.snapshot(), self.request, arrival, encode).await;
        delivery.delivered();
        String::from_utf8_lossy(&response.take_body()).into_owned()
    }
}

fn encode(_request: &Request, _limits: &Limits, outcome: Result<Answer, Error>) -> Response {
    let text = match outcome {
        Ok(Answer::Posted(ids)) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Ok(Answer::Messages(page)) => bodies(&page.messages),
        Ok(Answer::MessagesById(messages) | Answer::Popped(messages)) => bodies(&messages),
        Ok(Answer::Message(message)) => bodies(&[message]),
        Ok(Answer::Claimed(Some(claim))) => {
            let counts = claim.messages.iter().map(|message| message.claims).max().unwrap_or(0);
            format!("{} count {counts} {}", claim.id, bodies(&claim.messages))
        }
        Ok(Answer::Claim(claim)) => bodies(&claim.messages),
        Ok(Answer::Queues(page)) => page.queues.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>().join(" "),
        Ok(Answer::Subscribed(id, how)) => format!("{how:?} {id}"),
        Ok(Answer::Subscription(view)) => format!("ttl {} age {} {:?}", view.ttl, view.age, view.options),
        Ok(Answer::Subscriptions(page)) => {
            page.subscriptions.iter().map(|view| view.id.as_str()).collect::<Vec<_>>().join(" ")
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("{:?} {}", error.kind, error.message),
    };
    Response::json(200, text)
}

fn bodies(messages: &[MessageView]) -> String {
    let bodies = messages.iter().map(|message| String::from_utf8_lossy(&message.body));
    bodies.collect::<Vec<_>>().join(" ")
}
