//! `queue_update`, `topic_update`: changes metadata, all changes or none.

use sukkal_plugin_sdk::Request;

use super::{is_too_large, too_large};
use crate::action::no_queue;
use crate::answer::{Answer, Object};
use crate::engine::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::json_patch::Patch;
use crate::limits::Limits;
use crate::metadata;
use crate::name::{Kind, Named};
use crate::stop::Stop;

/// The one media type that is taken; its parameters are ignored.
const MEDIA_TYPE: &str = "application/openstack-messaging-v2.0-json-patch";

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let service = context.service;
    let limits = context.limits();
    let named = Named::of(request);
    let patch = decode(request, limits, named.kind)?;
    let change = |stored: &Object| {
        let patched = patch.apply(named.kind, stored)?;
        metadata::check(named.name, &patched, limits, ErrorKind::BadBody)?;
        check_size(&patched, limits, named.kind)?;
        Ok(patched)
    };
    match service.directory.update(context.call, named, change).await? {
        Some(queue) => Ok(Answer::Metadata(queue.metadata.object.clone())),
        None => Err(no_queue(request).into()),
    }
}

fn decode(request: &Request, limits: &Limits, kind: Kind) -> Result<Patch> {
    let body = request.body();
    if is_too_large(body.len(), limits) {
        return Err(too_large(kind, limits, ErrorKind::BadValue));
    }
    let sent = request.headers().get("content-type").and_then(|sent| sent.split(';').next()).unwrap_or_default();
    if !sent.trim().eq_ignore_ascii_case(MEDIA_TYPE) {
        let text = format!("Accepted media type for PATCH: {{'Accept-Patch': '{MEDIA_TYPE}'}}.");
        return Err(Error::new(ErrorKind::UnsupportedMedia, text));
    }
    if body.is_empty() {
        return Err(Error::body("PATCH body could not be empty for update."));
    }
    Patch::read(body)
}

/// Many small patches must not make what one body could not.
fn check_size(metadata: &Object, limits: &Limits, kind: Kind) -> Result<()> {
    let internal = |error| Error::new(ErrorKind::Internal, "The metadata cannot be written.").detail(error);
    let written = serde_json::to_vec(metadata).map_err(internal)?;
    if is_too_large(written.len(), limits) { Err(too_large(kind, limits, ErrorKind::BadBody)) } else { Ok(()) }
}
