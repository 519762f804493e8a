//! Pools, as administrators register them.

use serde_json::{Value, json};

use crate::host::Setup;
use crate::{Answer, Host};

/// With the paths of administrators.
pub fn admin(setup: Setup) -> Setup {
    setup.section("[api]\nadmin_mode = true")
}

/// A host without any pool.
pub async fn poolless() -> Host {
    admin(Host::with().top("default_pool = \"\"")).start().await
}

/// Registers a pool.
pub async fn register(host: &Host, name: &str, body: Value) -> Answer {
    host.client().put(&format!("/v2/pools/{name}"), body).await
}

/// Registers a pool of this store, with a weight of 1.
pub async fn pool(host: &Host, name: &str, uri: &str) {
    register(host, name, json!({ "uri": uri, "weight": 1 })).await.expect(201);
}

/// Changes a pool or a flavor.
pub async fn patch(host: &Host, path: &str, body: Value) -> Answer {
    host.client().request("PATCH", path).body(body.to_string()).send().await
}
