//! The types that are lent across the boundary: their fields lie as the boundary needs them.

use std::time::Duration;

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec};
use bytes::Bytes;

use super::bytes::FfiBytes;
use super::types::{Ffi, IdentityForm};
use crate::{Action, Identity, QueueId, RequestId, Target, Timestamp, Transport};

/// Name and value pairs in one piece of memory: cheap to make, to clone and to lend.
#[repr(C)]
#[derive(StableAbi, Clone, Default)]
pub struct Pairs {
    text: RString,
    /// Where each name and each value ends in `text`, in turn.
    ends: RVec<u32>,
}

impl Pairs {
    /// Makes room for so many pairs of so many bytes in all.
    fn reserve(&mut self, pairs: usize, bytes: usize) {
        self.text.reserve(bytes);
        self.ends.reserve(2 * pairs);
    }

    fn add(&mut self, name: &str, value: &str) {
        for part in [name, value] {
            self.text.push_str(part);
            self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.chunks_exact(2).map(move |ends| {
            let (middle, end) = (ends[0] as usize, ends[1] as usize);
            let pair = (self.text.get(start..middle).unwrap_or(""), self.text.get(middle..end).unwrap_or(""));
            start = end;
            pair
        })
    }

    fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let mut kept = Pairs::default();
        self.iter().filter(|(name, _)| keep(name)).for_each(|(name, value)| kept.add(name, value));
        *self = kept;
    }
}

/// Headers in the order in which they came. Names are lower case; look-ups ignore case.
#[repr(transparent)]
#[derive(StableAbi, Clone, Default)]
pub struct Headers(Pairs);

impl Headers {
    /// None.
    pub fn new() -> Self {
        Headers::default()
    }

    /// Makes room for so many headers of so many bytes in all, names and values.
    pub fn reserve(&mut self, headers: usize, bytes: usize) {
        self.0.reserve(headers, bytes);
    }

    /// Adds one, beside others of its name.
    pub fn add(&mut self, name: &str, value: &str) {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.0.add(&name.to_ascii_lowercase(), value);
        } else {
            self.0.add(name, value);
        }
    }

    /// Sets one, in place of others of its name.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.add(name, value);
    }

    /// Removes all of a name.
    pub fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.0.retain(|other| !other.eq_ignore_ascii_case(name));
        }
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// All values of a name.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter()
    }
}

/// Query parameters in the order in which they came, percent-decoded.
#[repr(transparent)]
#[derive(StableAbi, Clone, Default)]
pub struct Params(Pairs);

impl Params {
    /// None.
    pub fn new() -> Self {
        Params::default()
    }

    /// Adds one, beside others of its name.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.add(name, value);
    }

    /// The last value of a name, an empty one too.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).last()
    }

    /// All values of a name.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter()
    }
}

/// On whose behalf a method is called, and until when the caller waits.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Call {
    request_high: u64,
    request_low: u64,
    deadline: i64,
    project: RString,
    trace_parent: RString,
    extensions: RVec<super::types::ExtensionForm>,
}

impl Call {
    /// A call of a request, in a project, with a deadline.
    pub fn new(request: RequestId, project: &str, deadline: Timestamp) -> Self {
        Call {
            request_high: (request.0 >> 64) as u64,
            request_low: request.0 as u64,
            deadline: deadline.0,
            project: project.into(),
            trace_parent: RString::new(),
            extensions: RVec::new(),
        }
    }

    /// The same call with a W3C trace parent.
    pub fn with_trace_parent(mut self, trace_parent: &str) -> Self {
        self.trace_parent = trace_parent.into();
        self
    }

    /// The request's id; all logs of the call carry it.
    pub fn request_id(&self) -> RequestId {
        RequestId(u128::from(self.request_high) << 64 | u128::from(self.request_low))
    }

    /// The project; empty for the service's own work.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The W3C `traceparent` of the request, if it has one.
    pub fn trace_parent(&self) -> Option<&str> {
        Some(self.trace_parent.as_str()).filter(|text| !text.is_empty())
    }

    /// Nobody waits beyond this instant (on the host's clock).
    pub fn deadline(&self) -> Timestamp {
        Timestamp(self.deadline)
    }

    /// What is left until the deadline, seen from an instant of the host's clock.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.deadline().since(now)
    }
}

/// Which queue is meant: its incarnation, the caller's epoch of its record, its placement.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct QueueRef {
    id: u64,
    epoch: u64,
    placement: FfiBytes,
    extensions: RVec<super::types::ExtensionForm>,
}

impl QueueRef {
    /// A reference of its parts.
    pub fn new(id: QueueId, epoch: u64, placement: impl Into<Bytes>) -> Self {
        QueueRef { id: id.0, epoch, placement: placement.into().into(), extensions: RVec::new() }
    }

    /// The queue's incarnation.
    pub fn id(&self) -> QueueId {
        QueueId(self.id)
    }

    /// The epoch of the record that the caller acts on.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The token that the pool gave when the queue was made ([`crate::Pool::place`]).
    pub fn placement(&self) -> &[u8] {
        self.placement.as_slice()
    }
}

/// One request, whatever transport it came by. See the module for why it has accessors.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Request {
    id_high: u64,
    id_low: u64,
    action: u32,
    transport: u32,
    topic: bool,
    method: RString,
    path: RString,
    project: RString,
    client: RString,
    queue: RString,
    item: RString,
    identity: ROption<IdentityForm>,
    headers: Headers,
    params: Params,
    body: FfiBytes,
    has_body: bool,
    extensions: RVec<super::types::ExtensionForm>,
}

impl Request {
    /// A request that names nothing yet.
    pub fn new(id: RequestId, action: Action, transport: Transport) -> Self {
        Request {
            id_high: (id.0 >> 64) as u64,
            id_low: id.0 as u64,
            action: action.code(),
            transport: transport.code(),
            topic: false,
            method: RString::new(),
            path: RString::new(),
            project: RString::new(),
            client: RString::new(),
            queue: RString::new(),
            item: RString::new(),
            identity: ROption::RNone,
            headers: Headers::new(),
            params: Params::new(),
            body: FfiBytes::empty(),
            has_body: false,
            extensions: RVec::new(),
        }
    }

    /// The request's id.
    pub fn id(&self) -> RequestId {
        RequestId(u128::from(self.id_high) << 64 | u128::from(self.id_low))
    }

    /// What it asks for.
    pub fn action(&self) -> Action {
        Action::from_code(self.action)
    }

    /// How it came in.
    pub fn transport(&self) -> Transport {
        Transport::from_code(self.transport)
    }

    /// The HTTP method; empty on other transports.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path as it was sent, without query; empty on other transports than REST.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Sets method and path.
    pub fn set_route(&mut self, method: &str, path: &str) {
        self.method = method.into();
        self.path = path.into();
    }

    /// The project; empty before admission.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Sets the project.
    pub fn set_project(&mut self, project: &str) {
        self.project = project.into();
    }

    /// The client's id in the one spelling by which clients are compared; empty before admission.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Sets the client's id.
    pub fn set_client(&mut self, client: &str) {
        self.client = client.into();
    }

    /// Who sends it, if an authenticating filter said so.
    pub fn identity(&self) -> Option<Identity> {
        self.identity.as_ref().into_option().map(|form| Identity::from_form(form.clone()))
    }

    /// Says who sends it.
    pub fn set_identity(&mut self, identity: Identity) {
        self.identity = ROption::RSome(identity.into_form());
    }

    /// The queue or topic that it names; not checked before admission.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// True when [`Request::queue`] names a topic.
    pub fn is_topic(&self) -> bool {
        self.topic
    }

    /// The message, claim, subscription, pool or flavor that it names.
    pub fn item(&self) -> &str {
        &self.item
    }

    /// Sets what it is about.
    pub fn set_target(&mut self, target: Target) {
        self.queue = target.queue.into();
        self.topic = target.topic;
        self.item = target.item.into();
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to change.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The query parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The query parameters, to change.
    pub fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// The body as it was sent; empty without one.
    pub fn body(&self) -> &[u8] {
        self.body.as_slice()
    }

    /// Whether there is a body, be it empty.
    pub fn has_body(&self) -> bool {
        self.has_body
    }

    /// Sets the body.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.body = body.into().into();
        self.has_body = true;
    }

    /// The body without copying it; the request's own is empty afterwards.
    pub fn take_body(&mut self) -> Bytes {
        std::mem::replace(&mut self.body, FfiBytes::empty()).into_bytes()
    }
}

/// The answer to one request, ready for its transport.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Response {
    status: u16,
    headers: Headers,
    body: FfiBytes,
    extensions: RVec<super::types::ExtensionForm>,
}

impl Response {
    /// An answer without body. The status is HTTP's on every transport.
    pub fn new(status: u16) -> Self {
        Response { status, headers: Headers::new(), body: FfiBytes::empty(), extensions: RVec::new() }
    }

    /// An answer with a JSON body.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(status);
        response.headers.add("content-type", "application/json");
        response.body = body.into().into();
        response
    }

    /// A refusal in the form of the API's errors.
    pub fn error(status: u16, title: &str, description: &str) -> Self {
        let body = serde_json::json!({ "title": title, "description": description });
        Response::json(status, body.to_string())
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Changes the status.
    pub fn set_status(&mut self, status: u16) {
        self.status = status;
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to change.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.body.as_slice()
    }

    /// Changes the body.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.body = body.into().into();
    }

    /// The body without copying it; the answer's own is empty afterwards.
    pub fn take_body(&mut self) -> Bytes {
        std::mem::replace(&mut self.body, FfiBytes::empty()).into_bytes()
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}
