//! Posts that are safe to repeat: the header `Idempotency-Key`, and keys of the host's own.

use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sukkal_plugin_sdk::{self as sdk, Key, Request};

use crate::engine::Context;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// The header, in either transport.
const HEADER: &str = "idempotency-key";
/// Tells clients' keys from those of hosts.
const SCOPE: &str = "client";
/// Keys that a host gives to posts without one.
const OWN_SCOPE: &str = "host";
/// How long those are kept beyond the request's deadline: a post that was sent just before that may
/// still be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(10);
/// The longest key, in characters.
const LONGEST: usize = 255;

/// The key of a post with this raw body, where the client sent one. It is remembered for its queue.
///
/// # Errors
/// `BadValue`: it is empty, too long, or not of visible ASCII characters.
pub(super) fn key(request: &Request, body: &Bytes, limits: &Limits) -> Result<Option<Key>> {
    let Some(text) = request.headers().get(HEADER) else { return Ok(None) };
    if !(1..=LONGEST).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::value(format!("The Idempotency-Key must be of 1 to {LONGEST} visible ASCII characters.")));
    }
    Ok(Some(Key {
        scope: SCOPE.to_owned(),
        key: Bytes::copy_from_slice(text.as_bytes()),
        fingerprint: Bytes::copy_from_slice(&Sha256::digest(body)),
        window: Duration::from_secs(limits.idempotency_window),
    }))
}

/// A key for a post that came without one, so that it can be repeated when its connection breaks. It
/// is remembered for no longer than that may happen: it takes room in the pool.
pub(super) fn own_key(context: &Context<'_>) -> Key {
    Key {
        scope: OWN_SCOPE.to_owned(),
        key: Bytes::copy_from_slice(&rand::random::<[u8; 16]>()),
        fingerprint: Bytes::new(),
        window: context.call.remaining(context.service.now()) + ON_ITS_WAY,
    }
}

/// What a pool says to a key that it knows with another body, in the client's words.
pub(super) fn worded(error: sdk::Error) -> Error {
    if error.kind == sdk::ErrorKind::Conflict {
        return Error::value("The Idempotency-Key was used for another request body. Use a new key for a new post.");
    }
    error.into()
}
