//! Core's answers and errors → status, headers and body (spec: REST §1–§5). Pure.

mod failure;
mod message;
mod subscription;

use std::fmt::Write as _;

use sukkal_core::{Answer, Error, Limits, MessagePage, Named, QueuePage, QueueStats, SignedUrl, with_reserved};
use sukkal_plugin_sdk::{MessageId, Request, Response};

pub use self::failure::failure;
use self::message::{claim, listed, message};
use crate::percent;
use crate::transport::document::{Document, Terms};
use crate::transport::home;
use crate::transport::json::{Json, json};
use crate::transport::paging::links;
use crate::transport::pools::{self, FLAVORS, POOLS};
use crate::transport::shared::{self, popped, room};

/// The response to a request.
pub fn response(request: &Request, limits: &Limits, outcome: Result<Answer, Error>) -> Response {
    match outcome {
        Ok(answer) => success(request, limits, answer),
        Err(error) => failure(&error),
    }
}

fn success(request: &Request, limits: &Limits, answer: Answer) -> Response {
    let named = Named::of(request);
    match answer {
        Answer::Versions => Response::json(300, home::VERSIONS),
        // Asked for on the websocket alone: here every request tells who sends it.
        Answer::Authenticated => Response::new(204),
        Answer::Home { admin } => home_document(admin),
        Answer::Document { api, asks_identity } => {
            let terms = Terms { limits: limits.clone(), api, asks_identity };
            Response::json(200, Document::named(request.item()).text(&terms))
        }
        Answer::Ping(works) => Response::new(if works || request.method() == "HEAD" { 204 } else { 503 }),
        Answer::Health(object) => json(200, 512, |json| json.value(&object)),
        Answer::Metadata(object) => json(200, 512, |json| json.value(&with_reserved(named.kind, &object, limits))),
        Answer::Queues(page) => queues(request, limits, &page),
        Answer::QueueCreated(made) => located(Response::new(if made { 201 } else { 204 }), &path(named)),
        Answer::QueueExists(true)
        | Answer::QueueDeleted
        | Answer::Purged
        | Answer::Deleted
        | Answer::ClaimRenewed
        | Answer::ClaimReleased
        | Answer::SubscriptionDeleted
        | Answer::PoolDeleted
        | Answer::FlavorDeleted
        | Answer::Claimed(None) => Response::new(204),
        Answer::QueueExists(false) => failure(&Error::not_found(format!("Queue {} does not exist", named.name))),
        Answer::Stats(stats) => json(200, 256, |json| counts(json, named, stats.as_ref())),
        Answer::Shared(url) => signed_url(&url),
        Answer::Posted(ids) => posted(named, &ids),
        Answer::Messages(page) => messages(request, &page),
        Answer::MessagesById(found) => listed(200, &path(named), &found),
        Answer::Message(view) => json(200, view.body.len() + 256, |json| message(json, &path(named), &view)),
        Answer::Popped(taken) => json(200, room(&taken), |json| popped(json, &taken)),
        Answer::Claimed(Some(claim)) => {
            let path = path(named);
            located(listed(201, &path, &claim.messages), &format!("{path}/claims/{}", claim.id))
        }
        Answer::Subscriptions(page) => subscription::page(request, &page),
        Answer::Subscription(view) => json(200, 512, |json| shared::subscription(json, named.name, &view)),
        Answer::Subscribed(id, how) => located(subscription::made(&id, how), &format!("{}/subscriptions", path(named))),
        Answer::SubscriptionUpdated => {
            located(Response::new(204), &format!("{}/subscriptions/{}", path(named), request.item()))
        }
        Answer::SubscriptionConfirmed => {
            located(Response::new(204), &format!("{}/subscriptions/{}/confirm", path(named), request.item()))
        }
        Answer::Pools(page) => {
            let mut response = json(200, 128 + 256 * page.pools.len(), |json| pools::pools(json, &page));
            response.headers_mut().add("content-location", &asked(request));
            response
        }
        Answer::Pool(view) => json(200, 512, |json| pools::pool(json, &view)),
        Answer::PoolCreated => located(Response::new(201), &format!("{POOLS}/{}", request.item())),
        Answer::Flavors(page) => json(200, 128 + 256 * page.flavors.len(), |json| pools::flavors(json, &page)),
        Answer::Flavor(view) => json(200, 512, |json| pools::flavor(json, &view)),
        Answer::FlavorCreated => located(Response::new(201), &format!("{FLAVORS}/{}", request.item())),
        Answer::Claim(view) => json(200, room(&view.messages) + 128, |json| claim(json, &path(named), &view)),
    }
}

/// The path and the query of a request.
fn asked(request: &Request) -> String {
    match percent::query(request.params().iter()) {
        query if query.is_empty() => request.path().to_owned(),
        query => format!("{}?{query}", request.path()),
    }
}

fn home_document(admin: bool) -> Response {
    let mut response = Response::new(200);
    response.headers_mut().add("content-type", "application/json-home");
    response.headers_mut().add("cache-control", "max-age=86400");
    response.set_body(home::document(admin));
    response
}

fn located(mut response: Response, location: &str) -> Response {
    response.headers_mut().add("location", location);
    response
}

/// Names that passed admission need no escapes in a path.
fn path(Named { kind, name }: Named<'_>) -> String {
    format!("/v2/{kind}s/{name}")
}

fn queues(request: &Request, limits: &Limits, page: &QueuePage) -> Response {
    let kind = Named::of(request).kind;
    json(200, 256 + 96 * page.queues.len(), |json| {
        json.raw(r#"{""#).shown(kind).raw(r#"s":"#).list(&page.queues, |json, queue| {
            json.raw(r#"{"name":"#).value(&queue.name);
            json.raw(r#","href":"#).value(&path(Named { kind, name: &queue.name }));
            if page.detailed {
                json.raw(r#","metadata":"#).value(&with_reserved(kind, &queue.metadata, limits));
            }
            json.raw("}");
        });
        links(json, request.path(), &page.paging);
        // A count of zero is left out, as in the original (spec: REST §3).
        if let Some(count) = page.count.filter(|count| *count > 0) {
            json.raw(r#","count":"#).number(count);
        }
        json.raw("}")
    })
}

fn counts<'a>(json: &'a mut Json, named: Named<'_>, stats: Option<&QueueStats>) -> &'a mut Json {
    shared::counts(json, stats, |json, id| {
        json.raw(r#""href":""#).raw(path(named)).raw("/messages/").shown(id).raw("\"");
    })
}

fn signed_url(url: &SignedUrl) -> Response {
    let SignedUrl { grant, signature } = url;
    json(200, 512, |json| {
        json.raw(r#"{"paths":"#).value(&grant.paths).raw(r#","methods":"#).value(&grant.methods);
        json.raw(r#","project":"#).value(&grant.project).raw(r#","expires":"#).value(&grant.expires);
        json.raw(r#","signature":"#).value(signature).raw("}")
    })
}

/// The longest `Location`, in bytes: proxies pass on heads of 4 to 16 KiB, clients take lines of 8 to 64 KiB, and
/// whoever gets no answer posts again.
const LONGEST_LOCATION: usize = 3 * 1024;

fn posted(named: Named<'_>, ids: &[MessageId]) -> Response {
    let path = path(named);
    let response = json(201, 32 + ids.len() * (path.len() + 48), |json| {
        let add = |json: &mut Json, id: &MessageId| {
            json.raw("\"").raw(&path).raw("/messages/").shown(id).raw("\"");
        };
        json.raw(r#"{"resources":"#).list(ids, add).raw("}")
    });
    let mut location = format!("{path}/messages");
    let whole = location.len();
    location.reserve((28 * ids.len()).min(LONGEST_LOCATION));
    for (index, id) in ids.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = write!(location, "{}{id}", if index == 0 { "?ids=" } else { "," });
        if location.len() > LONGEST_LOCATION {
            location.truncate(whole);
            break;
        }
    }
    located(response, &location)
}

fn messages(request: &Request, page: &MessagePage) -> Response {
    let path = path(Named::of(request));
    json(200, room(&page.messages) + 256, |json| {
        json.raw(r#"{"messages":"#).list(&page.messages, |json, view| {
            message(json, &path, view);
        });
        links(json, request.path(), &page.paging);
        json.raw("}")
    })
}

#[cfg(test)]
mod tests;
