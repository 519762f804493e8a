//! Core's answers and errors → status and body, as the websocket words them (spec: websocket, the
//! table of actions). Pure.

use sukkal_core::{
    Answer, ClaimView, Error, ErrorKind, Limits, MAX_NAME, MAX_PROJECT, MessageView, QueuePage, Subscribing,
    SubscriptionView,
};
use sukkal_plugin_sdk::{Action, Refused, Request, Response};

use crate::transport::failure::{description, retry_after, status_and_title};
use crate::transport::home;
use crate::transport::json::{Json, json};
use crate::transport::pools;
use crate::transport::shared::{self, popped, room};

/// The response to a request.
pub fn response(request: &Request, _limits: &Limits, outcome: Result<Answer, Error>) -> Response {
    match outcome {
        Ok(answer) => success(request, answer),
        Err(error) => failure(request, &error),
    }
}

fn success(request: &Request, answer: Answer) -> Response {
    let (queue, item) = (request.queue(), request.item());
    match answer {
        Answer::Authenticated => Response::json(200, r#"{"message":"Authentified."}"#),
        Answer::Home { admin } => Response::json(200, home::document(admin)),
        Answer::Ping(works) => Response::new(if works { 204 } else { 503 }),
        Answer::Health(object) => json(200, 512, |json| json.value(&object)),
        Answer::Queues(page) => queues(&page),
        Answer::QueueCreated(made) => text(if made { 201 } else { 204 }, format!("Queue {queue} created.")),
        // As stored: the reserved keys are not filled in here.
        Answer::Metadata(object) => json(200, 512, |json| json.value(&object)),
        Answer::QueueDeleted => text(204, format!("Queue {queue} removed.")),
        Answer::Stats(stats) => json(if stats.is_some() { 200 } else { 404 }, 256, |json| {
            shared::counts(json, stats.as_ref(), |json, id| {
                json.raw(r#""id":""#).raw(id.to_string()).raw("\"");
            })
        }),
        Answer::Posted(ids) => json(201, 32 + 48 * ids.len(), |json| {
            let add = |json: &mut Json, id: &sukkal_plugin_sdk::MessageId| {
                json.raw("\"").raw(id.to_string()).raw("\"");
            };
            json.raw(r#"{"message_ids":"#).list(&ids, add).raw("}")
        }),
        Answer::Messages(page) => messages(&page.messages),
        Answer::MessagesById(found) => messages(&found),
        Answer::Message(view) => json(200, view.body.len() + 256, |json| {
            json.raw(r#"{"messages":"#);
            message(json, &view);
            json.raw("}")
        }),
        Answer::Popped(taken) => json(200, room(&taken), |json| popped(json, &taken)),
        Answer::Claimed(None) => Response::json(204, r#"{"claim_id":null}"#),
        Answer::Claimed(Some(view)) => json(201, room(&view.messages) + 64, |json| claimed(json, &view)),
        Answer::Claim(view) => json(200, room(&view.messages) + 64, |json| {
            json.raw(r#"{"age":"#).number(view.age).raw(r#","ttl":"#).number(view.ttl);
            json.raw(r#","messages":"#).list(&view.messages, message).raw("}")
        }),
        Answer::ClaimRenewed => text(204, format!("Claim {item} updated.")),
        Answer::ClaimReleased => text(204, format!("Claim {item} deleted.")),
        Answer::Purged | Answer::Deleted => Response::new(204),
        Answer::Subscriptions(page) => json(200, 32 + 256 * page.subscriptions.len(), |json| {
            let add = |json: &mut Json, view: &SubscriptionView| {
                shared::subscription(json, queue, view);
            };
            json.raw(r#"{"subscriptions":"#).list(&page.subscriptions, add).raw("}")
        }),
        Answer::Subscription(view) => json(200, 256, |json| shared::subscription(json, queue, &view)),
        Answer::Subscribed(id, Subscribing::Made) => json(201, 128, |json| {
            let told = format!("Subscription {queue} created.");
            json.raw(r#"{"subscription_id":"#).value(&id).raw(r#","message":"#).value(&told).raw("}")
        }),
        // Confirmed or not: REST alone tells the two apart.
        Answer::Subscribed(..) => text(409, format!("Subscription {queue} not created.")),
        Answer::SubscriptionDeleted => text(204, format!("Subscription {item} removed.")),
        Answer::Pools(page) => json(200, 128 + 256 * page.pools.len(), |json| pools::pools(json, &page)),
        Answer::Pool(view) => json(200, 512, |json| pools::pool(json, &view)),
        Answer::Flavors(page) => json(200, 128 + 256 * page.flavors.len(), |json| pools::flavors(json, &page)),
        Answer::Flavor(view) => json(200, 512, |json| pools::flavor(json, &view)),
        Answer::PoolCreated | Answer::FlavorCreated => Response::new(201),
        Answer::PoolDeleted | Answer::FlavorDeleted => Response::new(204),
        // Of actions that REST alone has.
        Answer::Versions
        | Answer::Document { .. }
        | Answer::QueueExists(_)
        | Answer::Shared(_)
        | Answer::SubscriptionUpdated
        | Answer::SubscriptionConfirmed => Response::new(204),
    }
}

/// A body that is a text.
fn text(status: u16, text: String) -> Response {
    json(status, text.len() + 2, |json| json.value(&text))
}

fn queues(page: &QueuePage) -> Response {
    json(200, 32 + 64 * page.queues.len(), |json| {
        let add = |json: &mut Json, queue: &sukkal_core::QueueView| {
            json.raw(r#"{"name":"#).value(&queue.name);
            if page.detailed {
                json.raw(r#","metadata":"#).value(&queue.metadata);
            }
            json.raw("}");
        };
        json.raw(r#"{"queues":"#).list(&page.queues, add).raw("}")
    })
}

fn messages(views: &[MessageView]) -> Response {
    json(200, room(views), |json| json.raw(r#"{"messages":"#).list(views, message).raw("}"))
}

fn message(json: &mut Json, view: &MessageView) {
    json.raw(r#"{"id":""#).raw(view.id.to_string()).raw(r#"","claim_id":"#);
    match view.claim {
        Some(claim) => json.raw("\"").raw(claim.to_string()).raw("\""),
        None => json.raw("null"),
    };
    json.raw(r#","ttl":"#).number(view.ttl).raw(r#","age":"#).number(view.age).raw(r#","body":"#).raw(&view.body);
    shared::extras(json, view);
    json.raw("}");
}

fn claimed<'a>(json: &'a mut Json, view: &ClaimView) -> &'a mut Json {
    json.raw(r#"{"claim_id":""#).raw(view.id.to_string());
    json.raw(r#"","messages":"#).list(&view.messages, message).raw("}")
}

/// A refusal or failure: REST's status; REST's words, if it has no words of its own.
pub fn failure(request: &Request, error: &Error) -> Response {
    let authenticates = request.action() == Action::Authenticate;
    match error.kind {
        ErrorKind::Malformed => told(400, &error.message),
        ErrorKind::Unauthorized if authenticates => told(401, "Authentication failed."),
        ErrorKind::Unavailable | ErrorKind::TimedOut if authenticates => told(503, "Authentication failed."),
        ErrorKind::Unauthorized | ErrorKind::BadSignature => told(403, "Not authentified."),
        _ => {
            let (status, _) = status_and_title(&error.kind);
            let mut response = json(status, 256, |json| {
                json.raw(r#"{"exception":"#).value(&exception(request, error));
                json.raw(r#","error":"#).value(&remark(request, error)).raw("}")
            });
            retry_after(response.headers_mut(), error);
            response
        }
    }
}

fn told(status: u16, text: &str) -> Response {
    json(status, 64 + text.len(), |json| json.raw(r#"{"error":"#).value(text).raw("}"))
}

fn exception(request: &Request, error: &Error) -> String {
    match error.kind {
        ErrorKind::BadBody => format!("Bad request. {}", error.message),
        ErrorKind::BadQueueName | ErrorKind::BadTopicName => bad_name(request).to_owned(),
        ErrorKind::NotDeleted(refused) => not_deleted(request, refused),
        // It is known, and not there: without `admin_mode` nobody is an administrator.
        ErrorKind::UnknownPath => format!("{} is for administrators, and not available here", request.action()),
        _ => description(error),
    }
}

/// The second text of a refusal; most have none.
fn remark(request: &Request, error: &Error) -> Option<String> {
    let item = request.item();
    match (&error.kind, request.action()) {
        (ErrorKind::Internal, _) => Some("Unexpected error.".to_owned()),
        (ErrorKind::Forbidden, _) => Some("Not authorized".to_owned()),
        (ErrorKind::NotDeleted(_), _) => Some(error.message.clone()),
        (ErrorKind::NotFound, Action::ClaimGet | Action::ClaimUpdate) => Some(format!("Claim {item} does not exist.")),
        (ErrorKind::NotFound, Action::SubscriptionGet) => {
            Some(format!("Subscription {item} for queue {} does not exist.", request.queue()))
        }
        _ => None,
    }
}

/// Why a name is refused, as far as it can be seen from it.
fn bad_name(request: &Request) -> &'static str {
    let project = request.headers().get("x-project-id").unwrap_or_default();
    if project.chars().count() > MAX_PROJECT {
        "Project ids may not be more than 256 characters long."
    } else if request.queue().chars().count() > MAX_NAME {
        "Queue names may not be more than 64 characters long."
    } else {
        "Queue names may only contain ASCII letters, digits, underscores, and dashes."
    }
}

fn not_deleted(request: &Request, refused: Refused) -> String {
    let message = request.item();
    let claim = request.params().get("claim_id").unwrap_or_default();
    match refused {
        Refused::Claimed => format!("Message {message} is claimed"),
        Refused::NotClaimed => format!("Message {message} is no longer claimed"),
        Refused::OtherClaim => format!("Message {message} is not claimed by {claim}"),
        Refused::ClaimGone => {
            let (queue, project) = (request.queue(), request.project());
            format!("Claim {claim} does not exist in queue {queue} for project {project}")
        }
    }
}

/// A filter that answers in the service's place does so in REST's words: the same in ours.
pub fn translate(request: Action, mut response: Response) -> Response {
    if response.status() < 400 {
        return response;
    }
    let Ok(serde_json::Value::Object(body)) = serde_json::from_slice(response.body()) else { return response };
    let Some(title) = body.get("title") else { return response };
    if response.status() == 401 {
        return match request {
            Action::Authenticate => told(401, "Authentication failed."),
            _ => told(403, "Not authentified."),
        };
    }
    let mut json = Json::with_capacity(response.body().len() + 32);
    let exception = body.get("description").unwrap_or(title);
    json.raw(r#"{"exception":"#).value(exception).raw(r#","error":"#).value(title).raw("}");
    response.set_body(json.finish());
    response
}

#[cfg(test)]
mod tests {
    use sukkal_plugin_sdk::{RequestId, Transport};

    use super::*;

    fn body(response: &Response) -> String {
        String::from_utf8_lossy(response.body()).into_owned()
    }

    #[test]
    fn who_has_not_proven_who_it_is_is_told_so_in_one_way() {
        for (action, kind, status, text) in [
            (Action::QueueList, ErrorKind::Unauthorized, 403, "Not authentified."),
            (Action::MessagePost, ErrorKind::BadSignature, 403, "Not authentified."),
            (Action::Authenticate, ErrorKind::Unauthorized, 401, "Authentication failed."),
            (Action::Authenticate, ErrorKind::Unavailable, 503, "Authentication failed."),
        ] {
            let request = Request::new(RequestId(1), action, Transport::Websocket);
            let response = failure(&request, &Error::new(kind, "why"));
            assert_eq!((response.status(), body(&response)), (status, format!("{{\"error\":\"{text}\"}}")));
        }
        let refused = translate(Action::QueueList, Response::error(401, "Unauthorized", "no token"));
        assert_eq!((refused.status(), body(&refused).as_str()), (403, r#"{"error":"Not authentified."}"#));
    }

    #[test]
    fn what_is_for_administrators_alone_is_told_to_be_so() {
        let request = Request::new(RequestId(1), Action::PoolList, Transport::Websocket);
        let response = failure(&request, &Error::new(ErrorKind::UnknownPath, ""));
        let told = r#"{"exception":"pool_list is for administrators, and not available here","error":null}"#;
        assert_eq!((response.status(), body(&response).as_str()), (404, told));
    }

    #[test]
    fn filters_answers_in_rests_words_are_told_in_ours() {
        let told = translate(Action::QueueList, Response::error(403, "Not authorized", "You may not."));
        assert_eq!(body(&told), r#"{"exception":"You may not.","error":"Not authorized"}"#);
        // A queue's own metadata are nobody's refusal.
        let metadata = Response::json(200, r#"{"title":"t","description":"d"}"#);
        assert_eq!(body(&translate(Action::QueueGet, metadata)), r#"{"title":"t","description":"d"}"#);
    }
}
