//! A plugin whose C library's helper says 1. Another's says something else under the same name.

use std::ffi::c_int;

use sukkal_plugin_sdk::{Open, Result};

use self::helped::{Helped, Settings};

#[path = "../helped.rs"]
mod helped;

sukkal_plugin_sdk::export_plugin! {
    settings: Settings,
    filters: { "helper-one" => open },
}

async fn open(_open: Open<Settings>) -> Result<Helped> {
    Ok(Helped("x-helper-one"))
}

/// What the C library calls. It is exported, as C libraries export what they define.
// SAFETY: no other function of this library has the name; that others have it is what is tested.
#[unsafe(no_mangle)]
pub extern "C" fn helper() -> c_int {
    1
}
