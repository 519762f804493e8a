//! The versions document and the home document (spec: REST §2).

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// `GET /`.
pub const VERSIONS: &str = concat!(
    r#"{"versions":[{"id":"2","status":"CURRENT","updated":"2014-9-24T04:06:47Z","#,
    r#""media-types":[{"base":"application/json","type":"application/vnd.openstack.messaging-v2+json"}],"#,
    r#""links":[{"href":"/v2/","rel":"self"}]}]}"#
);

/// `GET /v2/`, with or without what only administrators have. Made once.
pub fn document(admin: bool) -> Bytes {
    static DOCUMENTS: [OnceLock<Bytes>; 2] = [OnceLock::new(), OnceLock::new()];
    DOCUMENTS[usize::from(admin)]
        .get_or_init(|| Bytes::from(json!({ "resources": resources(admin) }).to_string()))
        .clone()
}

/// One resource of the home document.
struct Rel {
    rel: &'static str,
    /// A URI template, without the leading `/v2/`.
    template: &'static str,
    allow: &'static [&'static str],
    /// A variable whose parameter has another name.
    renamed: Option<(&'static str, &'static str)>,
    accepts_json: bool,
    admin: bool,
}

impl Rel {
    const fn new(rel: &'static str, template: &'static str, allow: &'static [&'static str]) -> Self {
        Rel { rel, template, allow, renamed: None, accepts_json: false, admin: false }
    }

    const fn renamed(self, variable: &'static str, parameter: &'static str) -> Self {
        Rel { renamed: Some((variable, parameter)), ..self }
    }

    const fn accepting_json(self) -> Self {
        Rel { accepts_json: true, ..self }
    }

    const fn for_admins(self) -> Self {
        Rel { admin: true, ..self }
    }
}

/// Everything that the API has.
#[rustfmt::skip] // A table: one resource a line.
const RELS: &[Rel] = &[
    Rel::new("queues", "queues{?marker,limit,detailed}", &["GET"]).renamed("limit", "queue_limit"),
    Rel::new("queue", "queues/{queue_name}", &["GET", "PUT", "DELETE", "PATCH"]),
    Rel::new("queue_stats", "queues/{queue_name}/stats", &["GET"]),
    Rel::new("queue_share", "queues/{queue_name}/share", &["POST"]).accepting_json(),
    Rel::new("queue_purge", "queues/{queue_name}/purge", &["POST"]).accepting_json(),
    Rel::new("messages", "queues/{queue_name}/messages{?marker,limit,echo,include_claimed}", &["GET"]).renamed("limit", "messages_limit"),
    Rel::new("post_messages", "queues/{queue_name}/messages", &["POST"]).accepting_json(),
    Rel::new("messages_delete", "queues/{queue_name}/messages{?ids,pop}", &["DELETE"]),
    Rel::new("message_delete", "queues/{queue_name}/messages/{message_id}{?claim}", &["DELETE"]).renamed("claim", "claim_id"),
    Rel::new("message_get", "queues/{queue_name}/messages/{message_id}", &["GET"]),
    Rel::new("claim", "queues/{queue_name}/claims/{claim_id}", &["GET"]),
    Rel::new("post_claim", "queues/{queue_name}/claims{?limit}", &["POST"]).renamed("limit", "claim_limit").accepting_json(),
    Rel::new("patch_claim", "queues/{queue_name}/claims/{claim_id}", &["PATCH"]).accepting_json(),
    Rel::new("delete_claim", "queues/{queue_name}/claims/{claim_id}", &["DELETE"]),
    Rel::new("subscriptions_get", "queues/{queue_name}/subscriptions{?marker,limit}", &["GET"]).renamed("limit", "subscription_limit"),
    Rel::new("subscriptions_post", "queues/{queue_name}/subscriptions", &["POST"]).renamed("limit", "subscription_limit").accepting_json(),
    Rel::new("subscription", "queues/{queue_name}/subscriptions/{subscriptions_id}", &["GET", "DELETE"]),
    Rel::new("subscription_patch", "queues/{queue_name}/subscriptions/{subscriptions_id}", &["PATCH"]).accepting_json(),
    Rel::new("ping", "ping", &["GET"]),
    Rel::new("pools", "pools{?detailed,limit,marker}", &["GET"]).renamed("limit", "pool_limit").for_admins(),
    Rel::new("pool", "pools/{pool_name}", &["GET", "PUT", "PATCH", "DELETE"]).for_admins(),
    Rel::new("flavors", "flavors{?detailed,limit,marker}", &["GET"]).renamed("limit", "flavor_limit").for_admins(),
    Rel::new("flavor", "flavors/{flavor_name}", &["GET", "PUT", "PATCH", "DELETE"]).for_admins(),
    Rel::new("health", "health", &["GET"]).for_admins(),
];

fn resources(admin: bool) -> Map<String, Value> {
    let shown = RELS.iter().filter(|rel| admin || !rel.admin);
    shown.map(|rel| (format!("rel/{}", rel.rel), resource(rel))).collect()
}

fn resource(rel: &Rel) -> Value {
    let mut hints = json!({ "allow": rel.allow, "formats": { "application/json": {} } });
    if rel.accepts_json {
        hints["accept-post"] = json!(["application/json"]);
    }
    let href = format!("/v2/{}", rel.template);
    let vars = vars(rel);
    // The one that is no template is the health's; the original gives ping a template without variables.
    if rel.rel == "health" {
        return json!({ "href": href, "hints": hints });
    }
    let mut resource = json!({ "href-template": href });
    if !vars.is_empty() {
        resource["href-vars"] = Value::Object(vars);
    }
    resource["hints"] = hints;
    resource
}

/// The variables of the template, and one that the original names beyond it.
fn vars(rel: &Rel) -> Map<String, Value> {
    let inner = rel.template.split('{').skip(1).filter_map(|part| part.split('}').next());
    let names = inner.flat_map(|names| names.trim_start_matches('?').split(','));
    let own = names.map(|name| (name, name)).chain(rel.renamed);
    own.map(|(name, parameter)| (name.to_owned(), json!(format!("param/{parameter}")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_holds_every_rel_as_the_spec_lists_it() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/home.json")).unwrap();
        for admin in [false, true] {
            let document: Value = serde_json::from_slice(&document(admin)).unwrap();
            let expected: Vec<&Value> = vectors["resources"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|rel| admin || rel.get("admin").is_none())
                .collect();
            assert_eq!(document["resources"].as_object().unwrap().len(), expected.len());
            for rel in expected {
                let ours = &document["resources"][rel["rel"].as_str().unwrap()];
                for key in ["href", "href-template", "href-vars"] {
                    assert_eq!(ours.get(key), rel.get(key), "{} {key}", rel["rel"]);
                }
                for key in ["allow", "accept-post"] {
                    assert_eq!(ours["hints"].get(key), rel.get(key), "{} {key}", rel["rel"]);
                }
                assert_eq!(ours["hints"]["formats"], json!({ "application/json": {} }));
            }
        }
    }

    #[test]
    fn the_versions_document_is_json() {
        let versions: Value = serde_json::from_str(VERSIONS).unwrap();
        assert_eq!(versions["versions"][0]["links"][0]["href"], "/v2/");
    }
}
