//! The link to the next page (spec: REST §1, paging).

use sukkal_core::Paging;
use sukkal_plugin_sdk::Request;

use crate::transport::json::Json;

/// `,"links":[…]`: the next page, wherever this one has an item (spec: REST §1, paging).
pub fn links(json: &mut Json, request: &Request, paging: &Paging) {
    json.raw(r#","links":["#);
    if let Some(marker) = &paging.next_marker {
        let href = format!("{}?{}", request.path(), next_query(paging, marker));
        json.raw(r#"{"rel":"next","href":"#).value(&href).raw("}");
    }
    json.raw("]");
}

/// The parameters that a page of any resource may have; those of other names select by metadata
/// and come last.
const PAGE_PARAMS: &[&str] =
    &["limit", "detailed", "name", "with_count", "echo", "include_claimed", "include_delayed", "claim_count", "origin"];

fn next_query(paging: &Paging, marker: &str) -> String {
    let known = |name: &str| PAGE_PARAMS.contains(&name);
    let own = paging.params.iter().filter(|(name, _)| known(name));
    let selecting = paging.params.iter().filter(|(name, _)| !known(name));
    let marker = [("marker".to_owned(), marker.to_owned())];
    let (first, last) = if paging.had_marker { (marker.as_slice(), &[][..]) } else { (&[][..], marker.as_slice()) };
    let mut query = String::new();
    for (name, value) in first.iter().chain(own).chain(last).chain(selecting) {
        query.push_str(if query.is_empty() { "" } else { "&" });
        escape(&mut query, name);
        query.push('=');
        escape(&mut query, value);
    }
    query
}

/// Percent-encodes all but what never needs it.
fn escape(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}
