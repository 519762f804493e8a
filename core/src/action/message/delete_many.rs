//! `message_delete_many`: deletes messages by id, or takes the oldest out (pop).

use sukkal_plugin_sdk::{ClaimId, Delete, Deleted, Guard, Request, Transport};

use super::{places, pop};
use crate::answer::Answer;
use crate::engine::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{Api, Limits};
use crate::name::Named;
use crate::query;
use crate::stop::Stop;

/// What a deletion asks for.
#[derive(Clone, Debug, PartialEq)]
enum Asked<'a> {
    /// These messages; with claims, only if each is held by one of them.
    Ids { ids: Vec<&'a str>, claims: Option<Vec<&'a str>> },
    /// So many of the oldest.
    Pop(u32),
}

pub(crate) async fn run(context: &mut Context<'_>, request: &Request) -> Result<Answer, Stop> {
    match decode(request, context.limits(), context.api())? {
        Asked::Pop(limit) => pop::run(context, request, limit).await,
        Asked::Ids { ids, claims } => delete(context, request, &ids, claims).await,
    }
}

async fn delete(
    context: &Context<'_>,
    request: &Request,
    ids: &[&str],
    claims: Option<Vec<&str>>,
) -> Result<Answer, Stop> {
    let (directory, call) = (&context.service.directory, context.call);
    let Some(queue) = directory.find(call, Named::of(request)).await? else { return Ok(Answer::Deleted) };
    // What is no claim's id holds no message.
    let claims: Option<Vec<ClaimId>> = claims.map(|claims| claims.iter().filter_map(|id| id.parse().ok()).collect());
    let guard = claims.map_or(Guard::Any, Guard::EachClaimedBy);
    let deletion = directory.on(call, queue, |queue| {
        let delete = Delete { places: places(ids, queue.id()), guard: guard.clone(), ..Delete::default() };
        async move {
            match delete.places.is_empty() {
                true => Ok(Deleted::default()),
                false => {
                    let pool = queue.pool()?;
                    let deleted = || pool.delete(call, &queue.reference, delete.clone());
                    directory.until_known(call, deleted).await
                }
            }
        }
    });
    match deletion.await?.and_then(|deleted| deleted.refused) {
        None => Ok(Answer::Deleted),
        Some(_) => {
            let text = "Each message must be claimed by one of the claims given.";
            Err(Error::new(ErrorKind::UnableToDelete, text).into())
        }
    }
}

fn decode<'a>(request: &'a Request, limits: &Limits, api: &Api) -> Result<Asked<'a>> {
    let params = request.params();
    let ids = query::list(params, "ids");
    let claims = query::list(params, "claim_ids");
    let pop = query::int(params, "pop")?;
    // In a query a list of none is nothing said; on the websocket it is a list.
    let is_given = request.transport() == Transport::Websocket && params.get("ids").is_some();
    let (has_ids, has_claims) = (is_given || !ids.is_empty(), !claims.is_empty());
    if pop.is_some() && has_ids {
        return Err(Error::value("pop and id params cannot be present together in the delete request."));
    }
    if pop.is_none() && !has_ids {
        return Err(Error::value(
            "The request should have either \"ids\" or \"pop\" parameter in the request, to be able to delete.",
        ));
    }
    if api.message_delete_with_claim_id && has_ids != has_claims {
        return Err(Error::value(
            "The request should have both \"ids\" and \"claim_ids\" parameter in the request when \
             message_delete_with_claim_id is True.",
        ));
    }
    match pop {
        Some(pop) => pop_limit(pop, limits).map(Asked::Pop),
        None => {
            check_count(&ids, limits)?;
            Ok(Asked::Ids { ids, claims: api.message_delete_with_claim_id.then_some(claims) })
        }
    }
}

fn pop_limit(pop: i64, limits: &Limits) -> Result<u32> {
    let max = limits.max_messages_per_claim_or_pop;
    u32::try_from(pop)
        .ok()
        .filter(|pop| (1..=max).contains(pop))
        .ok_or_else(|| Error::value(format!("Pop value must be at least 1 and may not be greater than {max}.")))
}

fn check_count(ids: &[&str], limits: &Limits) -> Result<()> {
    let max = limits.max_messages_per_page;
    if u32::try_from(ids.len()).is_ok_and(|count| (1..=max).contains(&count)) {
        return Ok(());
    }
    Err(Error::value(format!("ids parameter should have at least 1 and not greater than {max} values.")))
}

#[cfg(test)]
mod tests {
    use sukkal_plugin_sdk::{Action, RequestId};

    use super::*;

    fn request(transport: Transport, pairs: &[(&str, &str)]) -> Request {
        let mut request = Request::new(RequestId(1), Action::MessageDeleteMany, transport);
        pairs.iter().for_each(|(name, value)| request.params_mut().add(name, value));
        request
    }

    fn decoded(request: &Request, with_claims: bool) -> Result<Asked<'_>, String> {
        let api = Api { message_delete_with_claim_id: with_claims, ..Api::default() };
        decode(request, &Limits::default(), &api).map_err(|error| error.message)
    }

    #[test]
    fn claims_are_asked_for_only_where_that_is_configured() {
        let (ids, claims) = (vec!["a"], vec!["c"]);
        let both = request(Transport::Rest, &[("ids", "a"), ("claim_ids", "c")]);
        assert_eq!(decoded(&both, false), Ok(Asked::Ids { ids: ids.clone(), claims: None }));
        assert_eq!(decoded(&both, true), Ok(Asked::Ids { ids, claims: Some(claims) }));
        assert!(decoded(&request(Transport::Rest, &[("ids", "a")]), true).is_err());
        let pop = request(Transport::Rest, &[("pop", "1"), ("claim_ids", "c")]);
        assert!(decoded(&pop, true).is_err());
        assert_eq!(decoded(&pop, false), Ok(Asked::Pop(1)));
    }

    #[test]
    fn either_ids_or_pop() {
        for pairs in [&[("ids", "a"), ("pop", "1")][..], &[], &[("ids", ",")], &[("pop", "0")], &[("pop", "21")]] {
            assert!(decoded(&request(Transport::Rest, pairs), false).is_err(), "{pairs:?}");
        }
        let many = ["x"; 21].join(",");
        for request in [request(Transport::Rest, &[("ids", &many)]), request(Transport::Websocket, &[("ids", "")])] {
            assert!(decoded(&request, false).is_err_and(|text| text.starts_with("ids parameter")));
        }
    }
}
