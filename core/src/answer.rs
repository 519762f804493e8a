//! What an action returns: typed, without status and without JSON. Each transport encodes it.

mod pools;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use sukkal_plugin_sdk::{ClaimId, MessageId, Place, QueueId, Stats, Timestamp};

pub use self::pools::{FlavorPage, FlavorView, PoolPage, PoolView};
use crate::limits::Api;
use crate::signed_url::SignedUrl;

/// A JSON object, in the order of its keys' insertion; numbers keep their digits.
pub type Object = Map<String, Value>;

/// What an action returns.
#[derive(Clone, Debug)]
pub enum Answer {
    /// `GET /`: the versions document.
    Versions,
    /// The connection's identity is known, or none is asked for.
    Authenticated,
    /// The home document.
    Home {
        /// With the resources that only administrators have.
        admin: bool,
    },
    /// The description of the API, as these switches make it.
    Document {
        /// The switches in force.
        api: Api,
        /// Whether anybody asks who sends a request.
        asks_identity: bool,
    },
    /// Whether every store answers.
    Ping(bool),
    /// How the stores are: a JSON object (spec: REST §2).
    Health(Object),
    /// A page of queues.
    Queues(QueuePage),
    /// A queue was made (`true`) or was there.
    QueueCreated(bool),
    /// A queue's metadata. Reserved keys are filled in where the transport shows them so.
    Metadata(Object),
    /// Whether a queue exists.
    QueueExists(bool),
    /// A queue is gone.
    QueueDeleted,
    /// A queue's counts; `None`: there is no such queue.
    Stats(Option<QueueStats>),
    /// A queue is empty.
    Purged,
    /// A signed URL for some of a queue's paths.
    Shared(SignedUrl),
    /// Messages were stored.
    Posted(Vec<MessageId>),
    /// A page of messages.
    Messages(MessagePage),
    /// Messages by id, in the order asked.
    MessagesById(Vec<MessageView>),
    /// One message.
    Message(MessageView),
    /// Messages are gone.
    Deleted,
    /// Messages taken out.
    Popped(Vec<MessageView>),
    /// A claim; `None`: nothing to claim.
    Claimed(Option<ClaimView>),
    /// A claim as it was read.
    Claim(ClaimView),
    /// A claim goes on.
    ClaimRenewed,
    /// A claim has ended.
    ClaimReleased,
    /// A page of subscriptions.
    Subscriptions(SubscriptionPage),
    /// A subscriber has a subscription of this id.
    Subscribed(String, Subscribing),
    /// One subscription.
    Subscription(SubscriptionView),
    /// A subscription is changed.
    SubscriptionUpdated,
    /// A subscription is gone.
    SubscriptionDeleted,
    /// A subscriber has said whether it wants to be notified.
    SubscriptionConfirmed,
    /// A page of pools.
    Pools(PoolPage),
    /// One pool.
    Pool(PoolView),
    /// A pool is registered, be it anew.
    PoolCreated,
    /// A pool is gone.
    PoolDeleted,
    /// A page of flavors.
    Flavors(FlavorPage),
    /// One flavor.
    Flavor(FlavorView),
    /// A flavor is there, be it with other pools.
    FlavorCreated,
    /// A flavor is gone.
    FlavorDeleted,
}

/// What was found when a subscription was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribing {
    /// None: it was made.
    Made,
    /// The subscriber had one, which it has not confirmed; it stays as it is.
    Unconfirmed,
    /// The subscriber had one, which it has confirmed; it stays as it is.
    Confirmed,
}

/// A page of subscriptions.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionPage {
    /// Ordered by id.
    pub subscriptions: Vec<SubscriptionView>,
    /// How the next page is asked for.
    pub paging: Paging,
}

/// A subscription as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionView {
    /// Its id.
    pub id: String,
    /// The subscriber's URI.
    pub subscriber: String,
    /// Whole seconds.
    pub ttl: u64,
    /// Whole seconds since it was made or given a new life.
    pub age: u64,
    /// What the client set.
    pub options: Object,
    /// Whether the subscriber has confirmed it.
    pub confirmed: bool,
}

impl Answer {
    /// How many messages it stored, shows or gave out.
    pub(crate) fn n_messages(&self) -> usize {
        match self {
            Answer::Posted(ids) => ids.len(),
            Answer::Messages(page) => page.messages.len(),
            Answer::MessagesById(messages) | Answer::Popped(messages) => messages.len(),
            Answer::Message(_) => 1,
            Answer::Claimed(Some(claim)) | Answer::Claim(claim) => claim.messages.len(),
            _ => 0,
        }
    }
}

/// A page of queues.
#[derive(Clone, Debug)]
pub struct QueuePage {
    /// Ordered by name.
    pub queues: Vec<QueueView>,
    /// How many the project has in all, where that was asked.
    pub count: Option<u64>,
    /// True when metadata were asked for.
    pub detailed: bool,
    /// How the next page is asked for.
    pub paging: Paging,
}

/// A queue in a listing.
#[derive(Clone, Debug)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Its metadata as stored.
    pub metadata: Object,
}

/// What the request of a page gave, so that the next one's can repeat it: the known parameters in
/// the order of the spec (spec: REST §1, paging).
#[derive(Clone, Debug, Default)]
pub struct Paging {
    /// Whether the request had a marker: the next link's stands first then, else last.
    pub had_marker: bool,
    /// The others, name and value, in the order of the link, `limit` first where it was given.
    /// Values are not percent-encoded yet.
    pub params: Vec<(String, String)>,
    /// Those that come last, after a marker that the request did not have.
    pub last: Vec<(String, String)>,
    /// The last item's marker; none: the page is empty, and so are the links.
    pub next_marker: Option<String>,
}

/// A queue's counts.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueStats {
    /// The queue's incarnation, which ids need.
    pub queue: QueueId,
    /// As the pool counts.
    pub stats: Stats,
}

/// A page of messages.
#[derive(Clone, Debug, Default)]
pub struct MessagePage {
    /// In queue order.
    pub messages: Vec<MessageView>,
    /// How the next page is asked for.
    pub paging: Paging,
}

/// A message as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// Whole seconds.
    pub ttl: u64,
    /// Whole seconds since the post.
    pub age: u64,
    /// One JSON value, its bytes as posted.
    pub body: Bytes,
    /// The live claim that holds it.
    pub claim: Option<ClaimId>,
    /// How often it was claimed.
    pub claims: u32,
    /// Whether the request asked to see `claims`.
    pub show_claims: bool,
    /// Where a dead letter came from, where the request asked to see it.
    pub origin: Option<OriginView>,
    /// Of the body, where the service makes checksums and the body is not null.
    pub checksum: Option<String>,
}

/// Where a dead letter came from, as clients see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OriginView {
    /// The name of the queue.
    pub queue: String,
    /// Its id there.
    pub id: String,
    /// How often it had been claimed there.
    pub claim_count: u32,
    /// Why it was moved: `claims exhausted` or `delivery exhausted`.
    pub reason: &'static str,
}

/// A claim as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimView {
    /// Its id.
    pub id: ClaimId,
    /// Whole seconds.
    pub ttl: u64,
    /// Whole seconds since it was made or renewed.
    pub age: u64,
    /// What it holds.
    pub messages: Vec<MessageView>,
}

impl Paging {
    /// Notes a parameter that was given, in the order of the spec.
    pub(crate) fn note(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.params.push((name.to_owned(), value.to_string()));
        }
    }
}

impl QueueStats {
    /// The id of a message at a place of this queue.
    pub fn id(&self, place: Place) -> MessageId {
        MessageId { queue: self.queue, place }
    }

    /// Whole seconds since an instant, on the pool's clock.
    pub fn age(&self, posted: Timestamp) -> u64 {
        self.stats.now.since(posted).as_secs()
    }
}
