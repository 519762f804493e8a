//! A filter that tells what its C library says, in a header of each answer.

use std::ffi::c_int;

use sukkal_plugin_sdk::{Call, Deserialize, Filter, Interest, JsonSchema, Moment, Request, Response, Result};

// SAFETY: helper.c defines it so; it calls `helper`, which takes nothing and returns a number.
unsafe extern "C" {
    safe fn ask_helper() -> c_int;
}

/// It has none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {}

/// The filter, with the header's name.
pub struct Helped(pub &'static str);

impl Filter for Helped {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::none().all(Moment::Response)
    }

    async fn response(&self, _call: &Call, _state: &mut (), _request: &Request, response: &mut Response) -> Result<()> {
        response.headers_mut().add(self.0, &ask_helper().to_string());
        Ok(())
    }
}
