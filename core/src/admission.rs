//! What every request must have, in the order of the spec (REST §1.4–1.12).

use std::sync::Arc;

use sukkal_plugin_sdk::{Action, Identity, Request, Subject, Timestamp, Transport};

use crate::error::{Error, ErrorKind, Result};
use crate::instant;
use crate::limits::{Api, ClientIds, Limits};
use crate::name;
use crate::post_order::Turn;
use crate::session::Session;
use crate::signed_url::{self, Presented};
use crate::snapshot::Snapshot;
use crate::stated::Stated;

/// What a transport found out about a request, to be answered each at its step.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// Whether the path and method are known.
    pub route: Route,
    /// The body is a form (spec: REST §1.6).
    pub form_body: bool,
    /// The body is longer than [`Limits::max_body`], and was not kept.
    pub body_too_long: bool,
    /// How many bytes the list of messages of a post, or a queue's metadata, had as the client sent them, where that
    /// is what their size is counted of (spec: websocket, Post size and metadata size). None: the whole body is.
    pub counted_size: Option<usize>,
    /// The client takes no JSON (spec: REST §1.7).
    pub not_acceptable: bool,
    /// The signature of a signed URL, where one is presented, be it an empty one. Whoever presents
    /// one is not asked for any other credentials, and is refused where it does not hold.
    pub signed: Option<Box<Presented>>,
    /// What it says of its sender beside the credentials that its connection has given: whoever has proven an
    /// identity may not name another one. None where nobody asks for that.
    pub stated: Option<Stated>,
    /// The connection on which it came, where what is asked for concerns that itself: its identity,
    /// or its being a subscriber.
    pub connection: Option<Arc<Session>>,
    /// Its place among the posts of its connection to its queue, where it is one of several that are
    /// under way together.
    pub turn: Option<Arc<Turn>>,
    /// Why the transport takes it for no request of its own at all, or for one that can be understood in two ways:
    /// answered before all else (spec: websocket, checks 1–4).
    pub refused: Option<Error>,
}

/// Whether a path and its method are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Both are.
    #[default]
    Known,
    /// No such path.
    UnknownPath,
    /// The path is known; these are its methods.
    WrongMethod(&'static [&'static str]),
}

/// By what a request is judged.
pub struct Terms<'a> {
    /// The limits, switches and key in force.
    pub snapshot: &'a Snapshot,
    /// Now.
    pub now: Timestamp,
}

/// Lets a request in, its client and project set; or says what it lacks.
pub fn check(request: &mut Request, arrival: &Arrival, terms: &Terms<'_>) -> Result<()> {
    if request.action() == Action::Authenticate {
        // What it is for is done: the client and the project come with the requests that follow.
        return Ok(());
    }
    if arrival.route == Route::UnknownPath {
        return Err(Error::new(ErrorKind::UnknownPath, ""));
    }
    if let Some(presented) = &arrival.signed {
        signature(request, presented, terms)?;
    }
    if arrival.form_body {
        return Err(Error::new(ErrorKind::FormBody, FORM_BODY));
    }
    if arrival.not_acceptable {
        return Err(Error::new(ErrorKind::NotAcceptable, ""));
    }
    if !is_for_everybody(request.action()) {
        client(request, &terms.snapshot.limits, &terms.snapshot.api)?;
        project(request)?;
        names(request)?;
        if let Some(stated) = &arrival.stated {
            identity(request, stated)?;
        }
    }
    if let Route::WrongMethod(methods) = arrival.route {
        return Err(Error::new(ErrorKind::WrongMethod(methods), ""));
    }
    if needs_admin_role(request.action()) && !is_administrator(request) {
        return Err(Error::new(ErrorKind::Forbidden, "You are not authorized to complete this action."));
    }
    Ok(())
}

const FORM_BODY: &str = "Endpoint does not accept `application/x-www-form-urlencoded` content; currently supported \
     media type is `application/json`; specify proper client-side media type with the \"Content-Type\" header.";

/// A signature must hold (spec: REST §1.5). Its bearer acts in the signed project, as nobody in
/// particular and in no role, whatever else the request says.
fn signature(request: &mut Request, presented: &Presented, terms: &Terms<'_>) -> Result<()> {
    let project = request.headers().get("x-project-id").unwrap_or_default().to_owned();
    if !terms.snapshot.url_signer.as_ref().is_some_and(|signer| signer.allows(presented, &project, terms.now)) {
        return Err(Error::new(ErrorKind::BadSignature, ""));
    }
    signed_url::drop_identity(request);
    let expires = instant::parse(&presented.expires);
    request.set_identity(Identity { project, expires, ..Identity::default() });
    Ok(())
}

fn client(request: &mut Request, limits: &Limits, api: &Api) -> Result<()> {
    let Some(text) = request.headers().get("client-id") else {
        return Err(Error::new(ErrorKind::MissingClientId, "The \"Client-Id\" header is required."));
    };
    let client = match api.client_id_uuid_safe {
        ClientIds::Strict => name::uuid(text),
        ClientIds::Off => {
            let length = limits.min_length_client_id..=limits.max_length_client_id;
            length.contains(&text.chars().count()).then(|| text.to_owned())
        }
    };
    let client =
        client.ok_or_else(|| Error::new(ErrorKind::BadClientId, bad_client(request.transport(), limits, api)))?;
    request.set_client(client);
    Ok(())
}

/// The websocket says what is wrong with a length; REST has one text for everything.
fn bad_client(transport: Transport, limits: &Limits, api: &Api) -> String {
    match (transport, api.client_id_uuid_safe) {
        (Transport::Websocket, ClientIds::Off) => format!(
            "Length of client id must be at least {} and no greater than {}.",
            limits.min_length_client_id, limits.max_length_client_id
        ),
        _ => "Malformed hexadecimal UUID.".to_owned(),
    }
}

fn project(request: &mut Request) -> Result<()> {
    let project = match request.identity() {
        Some(identity) => Some(identity.project).filter(|project| !project.is_empty()),
        None => {
            let headers = request.headers();
            headers.get("x-project-id").or_else(|| headers.get("x-tenant-id")).map(str::to_owned)
        }
    };
    match project {
        None => Err(Error::new(ErrorKind::MissingProject, "The header X-PROJECT-ID was missing")),
        Some(project) if project.is_empty() => Err(Error::new(
            ErrorKind::EmptyProject,
            "X-PROJECT-ID cannot be an empty string. Specify the right header X-PROJECT-ID and retry.",
        )),
        Some(project) if !name::is_project(&project) => Err(bad_name(request)),
        Some(project) => {
            request.set_project(project);
            Ok(())
        }
    }
}

/// What is said beside an identity must be what that says.
fn identity(request: &Request, stated: &Stated) -> Result<()> {
    let another = request.identity().and_then(|identity| stated.contradicts(&identity));
    let told = |what| format!("The headers name another {what} than the identity that was proven.");
    another.map_or(Ok(()), |what| Err(Error::new(ErrorKind::Forbidden, told(what))))
}

fn names(request: &Request) -> Result<()> {
    let lists =
        matches!(request.action(), Action::QueueList | Action::TopicList | Action::PoolList | Action::FlavorList);
    let named = request.action().subject().filter(|_| !lists);
    let item = match named {
        Some(Subject::Pool) => Some((ErrorKind::BadPoolName, "pool")),
        Some(Subject::Flavor) => Some((ErrorKind::BadFlavorName, "flavor")),
        _ => None,
    };
    if let Some((kind, what)) = item.filter(|_| !name::is_queue_name(request.item())) {
        return Err(Error::new(kind, format!("The format of the submitted {what} name is not valid.")));
    }
    // What is about no queue may name one all the same.
    let is_of_queue = !matches!(named, None | Some(Subject::Service | Subject::Pool | Subject::Flavor));
    let is_named = is_of_queue || !request.queue().is_empty();
    if is_named && !name::is_queue_name(request.queue()) { Err(bad_name(request)) } else { Ok(()) }
}

fn bad_name(request: &Request) -> Error {
    if request.is_topic() {
        Error::new(ErrorKind::BadTopicName, "The format of the submitted topic name or project id is not valid.")
    } else {
        Error::new(ErrorKind::BadQueueName, "The format of the submitted queue name or project id is not valid.")
    }
}

/// Whether an action asks for no headers and no identity: what the service is may be read by all (spec: REST §1.8;
/// auth and policy).
pub fn is_for_everybody(action: Action) -> bool {
    matches!(action, Action::Versions | Action::Document)
}

/// Whether a request acts in the role `admin`. Without an identity it says so itself, and is taken
/// to where it names no roles at all: else no client could use the administrators' paths (spec: auth
/// and policy, Identity).
fn is_administrator(request: &Request) -> bool {
    let is_admin = |role: &str| role.trim().eq_ignore_ascii_case("admin");
    match request.identity() {
        Some(identity) => identity.roles.iter().any(|role| is_admin(role)),
        None => request.headers().get("x-roles").is_none_or(|roles| roles.split(',').any(is_admin)),
    }
}

/// Whether an action is one that only administrators have (spec: auth and policy, Policy). Whoever makes a queue
/// may look for its flavor.
fn needs_admin_role(action: Action) -> bool {
    action.needs_admin_mode() && !matches!(action, Action::FlavorList | Action::FlavorGet)
}
