//! `message_post`: stores messages, all of a post or none; makes the queue if need be.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use sukkal_plugin_sdk::{self as sdk, Applied, Extensions, Key, MessageId, NewMessage, Post, Posted, Request};

use super::draft::{self, Draft};
use super::idempotency;
use crate::action::no_body;
use crate::answer::{Answer, Object};
use crate::directory::Queue;
use crate::engine::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{Limits, MIN_TTL};
use crate::metadata::{Metadata, message_ttl_text};
use crate::name::Named;
use crate::post_order::{Followers, Told, Turn};
use crate::stop::Stop;

/// The service that a filter must provide where a queue's messages are to be encrypted.
const ENCRYPTION: &str = "encryption";

pub(crate) async fn run(context: &mut Context<'_>, request: &mut Request) -> Result<Answer, Stop> {
    let service = context.service;
    let queue = service.directory.find(context.call, Named::of(request)).await?;
    let body = request.has_body().then(|| request.take_body()).ok_or_else(no_body)?;
    if context.body_too_long {
        return Err(too_large(queue.as_ref().and_then(|queue| queue.metadata.max_post_size), context.limits()).into());
    }
    let key = idempotency::key(request, &body, context.limits())?;
    if let (Some(queue), Some(key)) = (&queue, &key)
        && let Some(ids) = posted(context, queue.clone(), key).await?
    {
        return Ok(Answer::Posted(ids));
    }
    let size = context.counted_size.unwrap_or(body.len());
    let messages = decode(&body, size, queue.as_ref().map(|queue| &queue.metadata), context.limits())?;
    if queue.as_ref().is_some_and(|queue| queue.metadata.encrypt) && !context.provides(ENCRYPTION) {
        let text = "Messages of this queue are to be encrypted, and encryption is not configured.";
        return Err(Error::new(ErrorKind::Unavailable, text).into());
    }
    let messages = context.ingress(request, messages).await?;
    let post = Post { client: request.client().to_owned(), messages, key, ..Post::default() };
    let named = Named::of(request);
    let ids = match context.turn {
        None => store(context, named, queue, post).await.map_err(Error::from)?,
        Some(turn) => store_in_turn(context, turn, named, queue, post).await?,
    };
    Ok(Answer::Posted(ids))
}

/// Stores a post among others of its connection, with those behind it that are there already.
async fn store_in_turn(
    context: &Context<'_>,
    turn: &Turn,
    named: Named<'_>,
    found: Option<Arc<Queue>>,
    post: Post,
) -> Result<Vec<MessageId>> {
    let project = context.call.project();
    let (post, alone) = match turn.told(project, post).await {
        Some(Told::Lead { post, alone }) => (post, alone),
        Some(Told::Done(done)) => return done,
        None => return Err(Error::new(ErrorKind::TimedOut, "The request took too long.")),
    };
    let followers = if alone { Followers::default() } else { turn.followers(project, &post) };
    if !followers.is_empty() {
        match store(context, named, found.clone(), followers.joined(&post)).await {
            Ok(mut ids) => {
                followers.stored(ids.drain(post.messages.len().min(ids.len())..));
                turn.leave();
                return Ok(ids);
            }
            // What one could not be stored for must not be the others' failure.
            Err(unstored) if unstored.applied == Applied::No => turn.put_back(followers),
            Err(unstored) => {
                followers.failed(&unstored.error);
                return Err(unstored.error);
            }
        }
    }
    let stored = store(context, named, found, post).await;
    turn.leave();
    Ok(stored?)
}

/// Why a post is not stored, or may not be.
struct Unstored {
    error: Error,
    applied: Applied,
}

impl From<Error> for Unstored {
    /// Of a step before the post.
    fn from(error: Error) -> Self {
        Unstored { error, applied: Applied::No }
    }
}

impl From<sdk::Error> for Unstored {
    fn from(error: sdk::Error) -> Self {
        let applied = error.applied;
        Unstored { error: idempotency::worded(error), applied }
    }
}

impl From<Unstored> for Error {
    fn from(unstored: Unstored) -> Self {
        unstored.error
    }
}

/// What a post under this key stored before: a repeated post ends here, before the filters see it.
async fn posted(context: &Context<'_>, queue: Arc<Queue>, key: &Key) -> Result<Option<Vec<MessageId>>> {
    let call = context.call;
    let found = context.service.directory.on(call, queue, |queue| async move {
        let posted = match queue.pool()?.posted(call, &queue.reference, key.clone()).await? {
            None => context.service.directory.posted_before(call, &queue, key).await?,
            posted => posted,
        };
        Ok(posted.map(|posted| ids(&queue, posted)))
    });
    Ok(found.await.map_err(idempotency::worded)?.flatten())
}

fn ids(queue: &Queue, posted: Posted) -> Vec<MessageId> {
    posted.places.into_iter().map(|place| MessageId { queue: queue.id(), place }).collect()
}

/// Stores what passed the filters. A queue that is deleted meanwhile is made anew.
async fn store(
    context: &Context<'_>,
    named: Named<'_>,
    mut found: Option<Arc<Queue>>,
    post: Post,
) -> Result<Vec<MessageId>, Unstored> {
    let (directory, call) = (&context.service.directory, context.call);
    let mut attempts = directory.attempts(call);
    let own_key = OnceLock::new();
    loop {
        let queue = match found.take() {
            Some(queue) => queue,
            None => directory.create(call, named, Object::new(), |pool| pool.takes(&post.messages)).await?.0,
        };
        let stored = directory.on_known(call, queue, |queue| {
            let (post, own_key) = (&post, &own_key);
            async move { Ok(ids(&queue, store_once(context, &queue, post, own_key).await?)) }
        });
        if let Some(ids) = stored.await? {
            return Ok(ids);
        }
        let others = || Error::new(ErrorKind::Unavailable, "The queue is being deleted by others.");
        attempts.again_or(others).await?;
    }
}

/// Stores at a queue's pool. Where a connection can break, and nobody knows then what came of the post, it
/// gets a key, so that it can be repeated and is stored once; also where the queue has moved meanwhile.
async fn store_once(context: &Context<'_>, queue: &Queue, post: &Post, own_key: &OnceLock<Key>) -> sdk::Result<Posted> {
    let (call, pool, directory) = (context.call, queue.pool()?, &context.service.directory);
    if let Some(key) = post.key.as_ref().or(own_key.get())
        && let Some(posted) = directory.posted_before(call, queue, key).await?
    {
        return Ok(posted);
    }
    let key = match &post.key {
        None if pool.is_remote() => Some(own_key.get_or_init(|| idempotency::own_key(context)).clone()),
        key => key.clone(),
    };
    let stored = || pool.post(call, &queue.reference, Post { key: key.clone(), ..post.clone() });
    let stored = async {
        match &key {
            Some(_) => directory.until_known(call, stored).await,
            None => stored().await,
        }
    };
    let posted = match pool.is_remote() {
        true => stored.await,
        false => context.service.waits.with_claim_behind(queue, stored).await,
    };
    posted.and_then(|posted| checked(posted, post.messages.len()))
}

/// Places that are one for each message: else messages would be named that are others', or are not there.
fn checked(posted: Posted, n_messages: usize) -> sdk::Result<Posted> {
    let n_places = posted.places.len();
    // What was stored under the key before is the first post's.
    if posted.repeated || n_places == n_messages {
        return Ok(posted);
    }
    let told = format!("it gives {n_places} places for {n_messages} messages");
    Err(sdk::Error::internal("a fault in the plugin of the queue's pool").detail(told).unknown())
}

/// Reads and checks the body of a post of that size to a queue that has these metadata.
fn decode(body: &Bytes, size: usize, queue: Option<&Metadata>, limits: &Limits) -> Result<Vec<NewMessage>> {
    check_size(size, queue.and_then(|queue| queue.max_post_size), limits)?;
    let drafts = draft::read(body)?;
    if drafts.is_empty() {
        return Err(Error::value("No messages to enqueu."));
    }
    let default_ttl = queue.and_then(|queue| queue.default_ttl).unwrap_or(limits.default_message_ttl);
    let default_delay = queue.and_then(|queue| queue.default_delay).unwrap_or(limits.default_message_delay);
    drafts.into_iter().map(|draft| new_message(draft, default_ttl, default_delay, limits)).collect()
}

fn check_size(bytes: usize, of_queue: Option<u64>, limits: &Limits) -> Result<()> {
    let max = of_queue.unwrap_or(u64::MAX).min(limits.max_messages_post_size);
    if u64::try_from(bytes).is_ok_and(|bytes| bytes <= max) { Ok(()) } else { Err(too_large(of_queue, limits)) }
}

fn too_large(of_queue: Option<u64>, limits: &Limits) -> Error {
    let of_service = limits.max_messages_post_size;
    let max = of_queue.map_or(of_service, |of_queue| of_queue.min(of_service));
    let text = match of_queue {
        None => format!("Message collection size is too large. Max size {of_service}"),
        Some(of_queue) => format!(
            "Message collection size is too large. The max size for current queue is {max}. It is calculated by \
             max size = min(max_messages_post_size_config: {of_service}, max_messages_post_size_queue: {of_queue})."
        ),
    };
    Error::value(text)
}

fn new_message(draft: Draft, default_ttl: u64, default_delay: u64, limits: &Limits) -> Result<NewMessage> {
    let max_delay = limits.max_message_delay;
    let ttl = seconds(draft.ttl, default_ttl, MIN_TTL..=limits.max_message_ttl, || message_ttl_text(limits))?;
    let delay = seconds(draft.delay, default_delay, 0..=max_delay, || {
        format!("The Delay TTL for a message may not exceed {max_delay} seconds,and must be at least 0 seconds long.")
    })?;
    Ok(NewMessage { body: draft.body, ttl, delay, extensions: Extensions::new() })
}

fn seconds(
    asked: Option<i64>,
    default: u64,
    range: RangeInclusive<u64>,
    refusal: impl FnOnce() -> String,
) -> Result<Duration> {
    let seconds = match asked {
        // A queue's may be from before the limit was lowered.
        None => default.min(*range.end()),
        Some(asked) => {
            let within = u64::try_from(asked).ok().filter(|asked| range.contains(asked));
            within.ok_or_else(|| Error::value(refusal()))?
        }
    };
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Kind;

    fn post(text: &str, queue: Option<&Metadata>) -> Result<Vec<NewMessage>> {
        decode(&Bytes::copy_from_slice(text.as_bytes()), text.len(), queue, &Limits::default())
    }

    /// The posts among the vectors that are refused for their bodies, and those that are not.
    #[test]
    fn the_vectors_hold() {
        let vectors = crate::json::object(include_str!("../../../../tests/vectors/requests.json").as_bytes());
        let vectors = vectors.unwrap_or_default();
        let mut seen = 0;
        for case in vectors["cases"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let request = &case["request"];
            let body = request["body"].as_str().filter(|body| !body.starts_with('<'));
            let posted = request["method"] == "POST" && request["path"] == "/v2/queues/bad/messages";
            let (true, Some(body)) = (posted, body) else { continue };
            let expected = case.get("sukkal").unwrap_or(&case["original"]);
            let refusal = post(body, None).err().map(|error| {
                let title =
                    if error.kind == ErrorKind::BadBody { "Invalid request body" } else { "Invalid API request" };
                (title.to_owned(), error.message)
            });
            let text = |name: &str| expected[name].as_str().map(str::to_owned);
            assert_eq!(refusal, text("title").zip(text("description")), "{body}");
            seen += 1;
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn what_a_message_leaves_out_the_queue_says_then_the_service() {
        let text = r#"{"messages":[{"body":1},{"body":2,"ttl":60,"delay":0}]}"#;
        let queue = crate::json::object(br#"{"_default_message_ttl":120,"_default_message_delay":10}"#);
        let queue = Metadata::of(Kind::Queue, queue.unwrap_or_default());
        let times = |queue| -> Vec<_> {
            let messages = post(text, queue).unwrap_or_default();
            messages.iter().map(|message| (message.ttl.as_secs(), message.delay.as_secs())).collect()
        };
        assert_eq!(times(Some(&queue)), [(120, 10), (60, 0)]);
        assert_eq!(times(None), [(3600, 0), (60, 0)]);
    }

    #[test]
    fn what_the_queue_says_is_bounded_by_the_limits_of_now() {
        let queue = Metadata { default_ttl: Some(7200), default_delay: Some(900), ..Metadata::default() };
        let limits = Limits { max_message_ttl: 100, max_message_delay: 10, ..Limits::default() };
        let times = |text: &'static str| {
            let messages = decode(&Bytes::from_static(text.as_bytes()), text.len(), Some(&queue), &limits);
            messages.map(|messages| messages.iter().map(|one| (one.ttl.as_secs(), one.delay.as_secs())).collect())
        };
        let left_out = times(r#"{"messages":[{"body":1},{"body":2,"ttl":60,"delay":5}]}"#);
        assert_eq!(left_out.unwrap_or_else(|_| Vec::new()), [(100, 10), (60, 5)]);
        assert!(times(r#"{"messages":[{"body":1,"ttl":101}]}"#).is_err());
        assert!(times(r#"{"messages":[{"body":1,"delay":11}]}"#).is_err());
    }

    #[test]
    fn size_comes_before_form() {
        let queue = Metadata { max_post_size: Some(10), ..Metadata::default() };
        let refusal = post("no JSON, and long", Some(&queue)).map_err(|error| error.message);
        assert!(refusal.is_err_and(|text| text.contains("The max size for current queue is 10.")));
        let long = "x".repeat(262_145);
        let refusal = post(&long, None).map_err(|error| error.message);
        assert_eq!(refusal, Err("Message collection size is too large. Max size 262144".to_owned()));
    }
}
