//! The link to the next page (spec: REST §1, paging).

use sukkal_core::Paging;

use super::json::Json;
use crate::percent;

/// `,"links":[…]`: the next page of a path, wherever this one has an item (spec: REST §1, paging).
pub fn links(json: &mut Json, path: &str, paging: &Paging) {
    json.raw(r#","links":["#);
    if let Some(marker) = &paging.next_marker {
        let href = format!("{path}?{}", next_query(paging, marker));
        json.raw(r#"{"rel":"next","href":"#).value(&href).raw("}");
    }
    json.raw("]");
}

fn next_query(paging: &Paging, marker: &str) -> String {
    let marker = [("marker".to_owned(), marker.to_owned())];
    let (first, last) = if paging.had_marker { (marker.as_slice(), &[][..]) } else { (&[][..], marker.as_slice()) };
    let pairs = first.iter().chain(&paging.params).chain(last).chain(&paging.last);
    percent::query(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
}
