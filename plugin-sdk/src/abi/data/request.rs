//! The request.

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec};
use bytes::Bytes;

use super::pairs::{Headers, Params};
use crate::abi::bytes::FfiBytes;
use crate::abi::types::{ExtensionForm, Ffi, IdentityForm};
use crate::{Action, Identity, RequestId, Target, Transport};

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
    extensions: RVec<ExtensionForm>,
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
    pub fn set_project(&mut self, project: impl Into<String>) {
        self.project = project.into().into();
    }

    /// The client's id in the one spelling by which clients are compared; empty before admission.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Sets the client's id.
    pub fn set_client(&mut self, client: impl Into<String>) {
        self.client = client.into().into();
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
