//! `claim_create`: holds the oldest available messages for a while.

use std::time::Duration;

use sukkal_plugin_sdk::{ClaimId, Extensions, NewClaim, Request};

use super::hold::{self, Hold};
use super::terms::Terms;
use super::views;
use crate::action::message::view::{Extra, Shown};
use crate::action::optional_body;
use crate::answer::{Answer, ClaimView, Object};
use crate::engine::Context;
use crate::error::Result;
use crate::json;
use crate::limits::Limits;
use crate::query::{self, message_limit};
use crate::stop::Stop;
use crate::wait::{self, What};

/// What a request asks for.
struct Asked {
    claim: NewClaim,
    wait: Duration,
    extra: Extra,
}

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let Asked { claim, wait, extra } = decode(request, context.limits())?;
    let ttl = claim.ttl.as_secs();
    let look = |queue| hold::claim(context, queue, claim.clone());
    let Some(Hold { queue, id, batch }) = wait::until(context, request, What::Claim, wait, look).await? else {
        return Ok(Answer::Claimed(None));
    };
    if !context.presence.gets(&queue, id) {
        hold::release(context.service, context.call, &queue, id).await;
        return Ok(Answer::Claimed(None));
    }
    let messages = hold::egress(context, request, &queue, id, batch.messages).await?;
    let shown = Shown::new(context, queue.id(), batch.now).with(extra);
    Ok(Answer::Claimed(Some(ClaimView { id, ttl, age: 0, messages: views(&shown, id, messages) })))
}

fn decode(request: &Request, limits: &Limits) -> Result<Asked> {
    let limit = query::int(request.params(), "limit")?;
    let wait = wait::asked(request, limits)?;
    let extra = Extra::of(request.params())?;
    let body = optional_body(request).map_or_else(|| Ok(Object::new()), json::object)?;
    let terms = Terms::of(&body)?;
    // Some clients put it into the body.
    let limit = match limit {
        Some(limit) => Some(limit),
        None => json::int_field(&body, "limit")?,
    };
    let ttl = terms.ttl(limits)?;
    let limit = query::page_limit(limit, limits.max_messages_per_claim_or_pop, message_limit)?;
    let grace = terms.grace(limits)?;
    // It gets its id when it is made.
    let claim = NewClaim { id: ClaimId(0), limit, ttl, grace, uncounted: false, extensions: Extensions::new() };
    Ok(Asked { claim, wait, extra })
}

#[cfg(test)]
mod tests {
    use sukkal_plugin_sdk::{Action, RequestId, Transport};

    use super::*;

    fn asked(limit: &str, body: &str) -> Result<(u64, u64, u32), String> {
        let mut request = Request::new(RequestId(1), Action::ClaimCreate, Transport::Rest);
        request.params_mut().add("limit", limit);
        request.set_body(body.to_owned());
        let claim = decode(&request, &Limits::default()).map_err(|error| error.message)?.claim;
        Ok((claim.ttl.as_secs(), claim.grace.as_secs(), claim.limit))
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        for body in ["", "{}", r#"{"ttl":null,"grace":null,"limit":null}"#] {
            assert_eq!(asked("", body), Ok((300, 60, 10)), "{body}");
        }
        assert_eq!(asked("5", r#"{"ttl":60,"grace":43200,"limit":7,"x":1}"#), Ok((60, 43_200, 5)));
        assert_eq!(asked("", r#"{"limit":7}"#), Ok((300, 60, 7)));
    }

    #[test]
    fn checks_come_in_the_order_of_the_spec() {
        let begins = |limit: &str, body: &str, text: &str| {
            let refusal = asked(limit, body).err().unwrap_or_default();
            assert!(refusal.starts_with(text), "{refusal}");
        };
        begins("x", "[", "The \"limit\" parameter");
        begins("0", "[", "Request body could not be parsed.");
        begins("0", "[]", "Document type not supported.");
        begins("0", r#"{"ttl":1,"grace":true}"#, "The value of the \"grace\" field");
        begins(
            "0",
            r#"{"ttl":59,"grace":1}"#,
            "The TTL for a claim may not exceed 43200 seconds, and must be at least 60",
        );
        begins("0", r#"{"grace":1}"#, "Limit must be at least 1 and may not be greater than 20.");
        begins("1", r#"{"grace":43201}"#, "The grace for a claim");
    }
}
