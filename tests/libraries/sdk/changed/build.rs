//! The present SDK, but that one field of what a plugin is opened with has another type.

#[path = "../../derive.rs"]
mod derive;

fn main() {
    derive::sdk(&[
        ("abi/root.rs", "    host_id: RString,\n    records:", "    host_id: RVec<u8>,\n    records:"),
        ("abi/root.rs", "host_id: args.host_id.into(),", "host_id: args.host_id.into_bytes().into(),"),
        ("abi/root.rs", "host_id: form.host_id.into(),", "host_id: String::from_utf8_lossy(&form.host_id).into_owned(),"),
        ("abi/root.rs", "std_types::{ROption, RResult, RStr, RString};", "std_types::{ROption, RResult, RStr, RString, RVec};"),
    ]);
}
