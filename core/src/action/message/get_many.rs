//! `message_get_many`: messages by id, in the order asked.

use sukkal_plugin_sdk::{Batch, Request, Transport};

use super::places;
use super::view::{Extra, Shown};
use crate::answer::Answer;
use crate::engine::Context;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::name::Named;
use crate::query::{self, message_limit};
use crate::stop::Stop;

/// Reads messages by id. REST refuses a request that finds none; the websocket does not.
pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let ids = query::list(request.params(), "ids");
    check_count(&ids, context.limits())?;
    let extra = Extra::of(request.params())?;
    let (directory, call) = (&context.service.directory, context.call);
    let found = match directory.find(call, Named::of(request)).await? {
        None => None,
        Some(queue) => {
            let read = directory.on(call, queue, |queue| {
                let places = places(&ids, queue.id());
                async move {
                    let batch = match places.is_empty() {
                        true => Batch::default(),
                        false => queue.pool()?.get(call, &queue.reference, places).await?,
                    };
                    Ok((queue.id(), batch))
                }
            });
            read.await?.filter(|(_, batch)| !batch.messages.is_empty())
        }
    };
    match found {
        Some((queue, batch)) => {
            let shown = Shown::new(context, queue, batch.now).with(extra);
            let messages = context.egress(request, batch.messages).await?;
            Ok(Answer::MessagesById(shown.views(messages)))
        }
        None if request.transport() == Transport::Websocket => Ok(Answer::MessagesById(Vec::new())),
        None => Err(none_found(request, &ids).into()),
    }
}

fn check_count(ids: &[&str], limits: &Limits) -> Result<()> {
    let max = limits.max_messages_per_page;
    let within = u32::try_from(ids.len()).is_ok_and(|count| (1..=max).contains(&count));
    if within { Ok(()) } else { Err(Error::value(message_limit(max))) }
}

fn none_found(request: &Request, ids: &[&str]) -> Error {
    let ids = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
    let (Named { kind, name }, project) = (Named::of(request), request.project());
    Error::not_found(format!("No messages with IDs: [{ids}] found in the {kind} {name} for project {project}."))
}
