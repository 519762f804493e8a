//! Who may depend on whom (docs/architecture.md, "Crates, and who may know whom").

use serde_json::Value;

/// Packages that must be nowhere in the graph, each with the reason.
const BANNED: [(&str, &str); 2] = [
    ("aws-lc-rs", "two TLS providers in one process make rustls' automatic choice panic; ring is ours"),
    ("openssl-sys", "plugins would bind to the system's OpenSSL; rustls with ring is ours"),
];

/// Complaints about the arrows between our crates, and about banned packages.
pub fn check(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut complaints = Vec::new();
    for package in packages {
        let name = text(&package["name"]);
        if let Some((_, reason)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            complaints.push(format!("{name} is in the dependency graph: {reason}"));
        }
        if is_ours(package) {
            complaints.extend(forbidden(package));
        }
    }
    complaints
}

/// Those of our crates that a crate of ours depends on and may not know.
fn forbidden(package: &Value) -> Vec<String> {
    let manifest = text(&package["manifest_path"]);
    let allowed = allowed(text(&package["name"]), manifest);
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours = dependencies.iter().filter(|dependency| !dependency["path"].is_null());
    let names = ours.map(|dependency| text(&dependency["name"]));
    names
        .filter(|name| !allowed.contains(name))
        .map(|name| format!("{manifest}: {} must not depend on {name}", text(&package["name"])))
        .collect()
}

/// The crates of ours that a crate may know.
fn allowed(name: &str, manifest: &str) -> &'static [&'static str] {
    match name {
        // The end-to-end tests start the real host and link nothing of it: of the SDK they use the
        // conformance kit.
        "sukkal-core" | "sukkal-tests" => &["sukkal-plugin-sdk"],
        "sukkal" => &["sukkal-plugin-sdk", "sukkal-core"],
        // A fuzzer sees only what runs in its own process: this one has the host there.
        "sukkal-fuzz" => &["sukkal", "sukkal-core", "sukkal-plugin-sdk"],
        "sukkal-plugin-sdk" | "xtask" => &[],
        _ if manifest.contains("/plugins/") || manifest.contains("/examples/") => &["sukkal-plugin-sdk"],
        _ => &[],
    }
}

/// Whether a package of the metadata is a member of the workspace.
pub fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn graph(name: &str, manifest: &str, dependency: &str) -> Value {
        json!({ "packages": [{
            "name": name, "manifest_path": manifest, "source": null,
            "dependencies": [{ "name": dependency, "path": "/somewhere" }, { "name": "serde" }],
        }]})
    }

    #[test]
    fn a_plugin_knows_the_sdk_alone() {
        assert!(check(&graph("sukkal-sqlite", "/p/plugins/sqlite/Cargo.toml", "sukkal-plugin-sdk")).is_empty());
        assert_eq!(check(&graph("sukkal-sqlite", "/p/plugins/sqlite/Cargo.toml", "sukkal-core")).len(), 1);
    }

    #[test]
    fn no_arrow_points_back() {
        assert_eq!(check(&graph("sukkal-plugin-sdk", "/p/plugin-sdk/Cargo.toml", "sukkal-core")).len(), 1);
        assert_eq!(check(&graph("sukkal-core", "/p/core/Cargo.toml", "sukkal")).len(), 1);
    }

    #[test]
    fn a_second_tls_provider_is_found() {
        let graph = json!({ "packages": [{ "name": "aws-lc-rs", "source": "registry", "dependencies": [] }]});
        assert_eq!(check(&graph).len(), 1);
    }
}
