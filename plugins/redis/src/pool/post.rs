//! Storing messages.

use sha2::{Digest, Sha256};
use sukkal_plugin_sdk::{Call, Error, ErrorKind, Key, Post, Posted, QueueRef, Result};

use super::MAX_BATCH;
use super::shared::Shared;
use crate::record::{self, ms};
use crate::script::{Reply, SCRIPTS};

impl Shared {
    /// Stores a batch, all or nothing.
    ///
    /// # Errors
    /// `Conflict`, `Stale`, `TooLarge`, `Full`: nothing is stored.
    pub async fn post(&self, call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
        if post.messages.len() > MAX_BATCH as usize || post.settles.len() > MAX_BATCH as usize {
            let text = format!("a post has at most {MAX_BATCH} messages in this pool; send several");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let mut request = self.on(&SCRIPTS.post, queue)?.arg(post.lane.code()).arg(if post.outbox { "1" } else { "" });
        request = match &post.key {
            Some(key) => request.arg(name(key)).arg(key.fingerprint.as_ref()).arg(ms(key.window).max(1)),
            None => request.arg("").arg("").arg(""),
        };
        request = request.arg(fence(post.fence)).arg(post.settles.len());
        for (lane, place) in &post.settles {
            request = request.arg(lane.code()).arg(place.0);
        }
        let client = record::client(&post.client)?;
        for message in &post.messages {
            request =
                request.arg(ms(message.ttl)).arg(ms(message.delay)).arg(record::of_new(message, &client).as_slice());
        }
        let mut reply = self.server.run(call, request).await?;
        let mut posted = posted(&mut reply)?;
        posted.repeated = reply.int()? == 1;
        Ok(posted)
    }

    /// What a post under this key stored, if its window still runs.
    ///
    /// # Errors
    /// `Conflict`: it was another post.
    pub async fn posted(&self, call: &Call, queue: &QueueRef, key: &Key) -> Result<Option<Posted>> {
        let request = self.on(&SCRIPTS.posted, queue)?.arg(name(key)).arg(key.fingerprint.as_ref());
        let mut reply = self.server.run(call, request).await?;
        if reply.is_empty() { Ok(None) } else { posted(&mut reply).map(Some) }
    }
}

fn posted(reply: &mut Reply) -> Result<Posted> {
    let (first, count) = (reply.place()?, reply.count()?);
    let places = (first.0..first.0.saturating_add(count)).map(sukkal_plugin_sdk::Place).collect();
    Ok(Posted { places, repeated: true, ..Posted::default() })
}

/// A fence as the scripts take it.
pub fn fence(fence: Option<u64>) -> String {
    fence.map_or_else(String::new, |fence| fence.to_string())
}

/// Under which name a key is kept: of one length, whatever clients choose.
fn name(key: &Key) -> String {
    let mut hash = Sha256::new();
    hash.update((key.scope.len() as u64).to_be_bytes());
    hash.update(key.scope.as_bytes());
    hash.update(&key.key);
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
