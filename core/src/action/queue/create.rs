//! `queue_create`, `topic_create`: makes a queue, or finds it there and leaves it as it is.

use sukkal_plugin_sdk::Request;

use super::{is_too_large, too_large};
use crate::action::optional_body;
use crate::answer::{Answer, Object};
use crate::engine::Context;
use crate::error::{ErrorKind, Result};
use crate::limits::Limits;
use crate::name::Named;
use crate::stop::Stop;
use crate::{json, metadata};

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let service = context.service;
    let metadata = decode(request, context.counted_size, context.limits())?;
    let (_, created) = service.directory.create(context.call, Named::of(request), metadata, |_| Ok(())).await?;
    Ok(Answer::QueueCreated(created))
}

fn decode(request: &Request, size: Option<usize>, limits: &Limits) -> Result<Object> {
    let Some(body) = optional_body(request) else { return Ok(Object::new()) };
    if is_too_large(size.unwrap_or(body.len()), limits) {
        return Err(too_large(Named::of(request).kind, limits, ErrorKind::BadValue));
    }
    let metadata = json::object(body)?;
    metadata::check(request.queue(), &metadata, limits, ErrorKind::BadValue)?;
    Ok(metadata)
}
