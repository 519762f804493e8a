//! The link to the next page (spec: REST §1, paging).

use sukkal_core::Paging;

use super::json::Json;

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
    query(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
}

/// A query of these parameters.
pub fn query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
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
