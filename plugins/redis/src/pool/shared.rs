//! What all calls to a pool share: its servers, its names, its placements.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock};

use redis::Value;
use sukkal_plugin_sdk::store::OwnRuns;
use sukkal_plugin_sdk::{Batch, Bytes, Call, Error, ErrorKind, Header, Lane, Message, QueueRef, Result, Timestamp};

use super::sweep::Pass;
use super::tags::Tags;
use crate::keys::{Keys, Tag};
use crate::record::{self, ms};
use crate::script::{Reply, Request, SCRIPTS, Script};
use crate::server::{Effect, Server};
use crate::settings::Settings;

/// An open pool.
pub struct Shared {
    pub server: Server,
    pub keys: Keys,
    pub tags: Tags,
    pub own: OwnRuns,
    /// What is swept at the moment.
    pub pass: Mutex<Pass>,
    /// Queues of which it was told that they cannot be swept.
    pub foreign: Mutex<HashSet<Bytes>>,
    /// Which store this is.
    id: OnceLock<Bytes>,
}

impl Shared {
    /// A pool on these servers.
    pub fn new(server: Server, settings: &Settings) -> Shared {
        Shared {
            server,
            keys: Keys::new(&settings.prefix),
            tags: Tags::default(),
            own: OwnRuns::default(),
            pass: Mutex::default(),
            foreign: Mutex::default(),
            id: OnceLock::new(),
        }
    }

    /// How far a test has put the clock forward. All else is the server's.
    pub fn shift(&self) -> i64 {
        self.server.host().shift()
    }

    /// A call of a script on a queue, on behalf of a caller with a record of it.
    ///
    /// # Errors
    /// `Invalid`: a queue of another pool.
    pub fn on(&self, script: &'static Script, queue: &QueueRef) -> Result<Request> {
        let tag = Tag::of(queue)?;
        self.tags.note(tag);
        let key = self.keys.queue(tag, queue.id());
        Ok(Request::new(script, key.as_bytes(), self.shift()).arg(queue.epoch()))
    }

    /// A call of a script on a placement.
    pub fn on_tag(&self, script: &'static Script, tag: Tag) -> Request {
        Request::new(script, self.keys.tag(tag).as_bytes(), self.shift())
    }

    /// Makes or replaces a header.
    ///
    /// # Errors
    /// `Stale`: the one there is newer. `Invalid`: its dead letter queue lies elsewhere.
    pub async fn configure(&self, call: &Call, queue: &QueueRef, header: &Header) -> Result<()> {
        let tag = Tag::of(queue)?;
        let rule = header.dead_letter.as_ref();
        if let Some(rule) = rule
            && Tag::of(&rule.queue)? != tag
        {
            let text =
                "the dead letter queue lies elsewhere than its queue, so that nothing could be moved in one step";
            return Err(Error::invalid(text));
        }
        self.tags.make_known(self, call, tag).await?;
        let key = self.keys.queue(tag, queue.id());
        let mut request = Request::new(&SCRIPTS.configure, key.as_bytes(), self.shift())
            .arg(header.epoch)
            .arg(if header.dropping { "1" } else { "" })
            .arg(header.label.as_ref())
            .arg(header.extensions.to_bytes());
        request = match rule {
            Some(rule) => request.arg(rule.queue.id().text()).arg(rule.max_claims),
            None => request.arg("").arg(""),
        };
        request = match rule.and_then(|rule| rule.ttl) {
            Some(ttl) => request.arg(ms(ttl)),
            None => request.arg(""),
        };
        self.server.run(call, request).await.map(drop)
    }

    /// Which store this is, whatever URI leads here: a number that the first who asked has left. None while there is
    /// no room for it.
    ///
    /// # Errors
    /// The server fails.
    pub async fn id(&self, call: &Call) -> Result<Option<Bytes>> {
        if let Some(id) = self.id.get() {
            return Ok(Some(id.clone()));
        }
        let (mut leave, mut read) = (redis::cmd("SET"), redis::cmd("GET"));
        leave.arg(self.keys.store()).arg(format!("{:032x}", rand::random::<u128>())).arg("NX");
        match self.server.plain(call, Effect::Lasts, &leave).await {
            Err(error) if error.kind == ErrorKind::Full => return Ok(None),
            left => left.map(drop)?,
        }
        match self.server.plain(call, Effect::Reads, read.arg(self.keys.store())).await? {
            Value::BulkString(id) => Ok(Some(self.id.get_or_init(|| Bytes::from(id)).clone())),
            _ => Ok(None),
        }
    }

    /// Writes something, to see whether that works.
    ///
    /// # Errors
    /// It does not.
    pub async fn probe(&self, call: &Call) -> Result<()> {
        let mut command = redis::cmd("SET");
        command.arg(self.keys.probe()).arg(1).arg("PX").arg(60_000);
        self.server.plain(call, Effect::Writes, &command).await.map(drop)
    }
}

/// Reads the messages that are left of an answer. Those that have expired are left out.
///
/// # Errors
/// The answer makes no sense.
pub fn messages(reply: &mut Reply, lane: Lane, now: Timestamp) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    while !reply.is_empty() {
        let place = reply.place()?;
        let record = reply.bytes()?.unwrap_or_else(Bytes::new);
        let state = reply.bytes()?;
        messages.extend(record::message(place, lane, record, state.as_ref(), now)?);
    }
    Ok(messages)
}

/// An answer that begins with the server's clock, and has only messages after that.
///
/// # Errors
/// The answer makes no sense.
pub fn batch(mut reply: Reply, lane: Lane) -> Result<Batch> {
    let now = Timestamp(reply.int()?);
    Ok(Batch { now, messages: messages(&mut reply, lane, now)?, ..Batch::default() })
}
