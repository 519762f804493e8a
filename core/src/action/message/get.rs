//! `message_get`: one message by id, whatever its claim or delay.

use sukkal_plugin_sdk::Request;

use super::place;
use super::view::{Extra, Shown};
use crate::action::no_queue;
use crate::answer::Answer;
use crate::engine::Context;
use crate::error::Error;
use crate::name::Named;
use crate::stop::Stop;

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let extra = Extra::of(request.params())?;
    let (directory, call) = (&context.service.directory, context.call);
    let Some(queue) = directory.find(call, Named::of(request)).await? else {
        return Err(no_queue(request).into());
    };
    let read = directory.on(call, queue, |queue| {
        let place = place(request.item(), queue.id());
        async move {
            let Some(place) = place else { return Ok(None) };
            let batch = queue.pool()?.get(call, &queue.reference, vec![place]).await?;
            Ok(Some((queue.id(), batch)))
        }
    });
    let found = read.await?.ok_or_else(|| no_queue(request))?;
    let (queue, batch) = found.ok_or_else(|| no_message(request))?;
    let shown = Shown::new(context, queue, batch.now).with(extra);
    let messages = context.egress(request, batch.messages).await?;
    match messages.into_iter().next() {
        Some(message) => Ok(Answer::Message(shown.view(message))),
        None => Err(no_message(request).into()),
    }
}

fn no_message(request: &Request) -> Error {
    let (id, Named { kind, name }, project) = (request.item(), Named::of(request), request.project());
    Error::not_found(format!("Message {id} does not exist in {kind} {name} for project {project}"))
}
