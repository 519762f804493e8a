//! Clients in the field, unmodified.

use std::process::Command;

use sukkal_tests::host::Setup;
use sukkal_tests::long_run::scaled;
use sukkal_tests::stores::{STORES, Store};
use sukkal_tests::{Host, programs};

/// Runs a script of `tests/clients` against a host of its own.
async fn run(setup: Setup, script: &str, arguments: &[String]) {
    let host = setup.start().await;
    run_against(host.base(), script, arguments);
}

/// Runs a script of `tests/clients` against whoever serves there.
pub fn run_against(endpoint: &str, script: &str, arguments: &[String]) {
    let mut command = Command::new(programs::python());
    command.arg(programs::checkout("tests/clients").join(script)).arg(endpoint).args(arguments);
    let output = command.output().expect("Python can be started");
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{script}:\n{}", String::from_utf8_lossy(&told));
}

/// With a key by which URLs are signed.
fn with_key(setup: Setup) -> Setup {
    setup.section("[signed_urls]\nsecret_key = \"test-secret\"")
}

/// With all that the server can do, and that its clients know nothing of.
fn everything_on(setup: Setup) -> Setup {
    setup.top("pipeline = [\"audit\", \"rate-limit\", \"seal\"]").section(
        "[api]\nenable_checksum = true\nadmin_mode = true\n[filters.rate-limit]\ndefault = { per_second = 1000000 }",
    )
}

/// With the verbs of administrators.
fn for_admins(setup: Setup) -> Setup {
    setup.section("[api]\nadmin_mode = true")
}

/// How often claims are made, renewed and released.
fn n_claims() -> String {
    scaled(10, 1000).to_string()
}

/// Each client with all of its verbs, over a store with a server, each over one of its own.
pub async fn all_over<S>(mut start: impl AsyncFnMut() -> S, store: impl Fn(&S) -> Store) {
    let server = start().await;
    run(everything_on(with_key(store(&server).host())), "zaqarclient_rest.py", &[n_claims()]).await;
    let server = start().await;
    websocket(store(&server)).await;
    let server = start().await;
    let without_pool = Store { pool: "", ..store(&server) };
    run(for_admins(without_pool.host()), "zaqarclient_pools.py", &[]).await;
    let server = start().await;
    run(store(&server).host(), "openstacksdk_rest.py", &[]).await;
    let server = start().await;
    run(for_admins(with_key(store(&server).host())), "openstack_cli.py", &[]).await;
}

#[tokio::test]
async fn python_zaqarclient_with_every_verb() {
    for store in STORES {
        run(with_key(store.host()), "zaqarclient_rest.py", &[]).await;
    }
}

#[tokio::test]
async fn python_zaqarclient_with_everything_switched_on() {
    for store in STORES {
        run(everything_on(with_key(store.host())), "zaqarclient_rest.py", &[n_claims()]).await;
    }
}

#[tokio::test]
async fn python_zaqarclient_over_the_websocket() {
    for store in STORES {
        websocket(store).await;
    }
}

async fn websocket(store: Store) {
    let host = store.host().start().await;
    run_against(&format!("ws://{}/", host.websocket_address()), "zaqarclient_ws.py", &[]);
}

#[tokio::test]
async fn python_zaqarclient_with_pools_and_flavors() {
    run(for_admins(Host::with().top("default_pool = \"\"")), "zaqarclient_pools.py", &[]).await;
}

#[tokio::test]
async fn openstacksdk_with_every_verb() {
    run(Host::with(), "openstacksdk_rest.py", &[]).await;
    run(everything_on(Host::with()), "openstacksdk_rest.py", &[]).await;
}

#[tokio::test]
async fn openstack_messaging_with_every_verb() {
    for store in STORES {
        run(for_admins(with_key(store.host())), "openstack_cli.py", &[]).await;
    }
}
