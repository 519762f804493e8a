//! Clients in the field, unmodified.

use std::process::Command;

use sukkal_tests::{Host, programs};

/// Runs a script of `tests/clients` against a host of its own.
async fn run(script: &str) {
    let host = Host::start().await;
    let mut command = Command::new(programs::python());
    command.arg(programs::checkout("tests/clients").join(script)).arg(host.base());
    let output = command.output().expect("Python can be started");
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{script}:\n{}", String::from_utf8_lossy(&told));
}

#[tokio::test]
async fn python_zaqarclient_with_queues_messages_and_claims() {
    run("zaqarclient_rest.py").await;
}

#[tokio::test]
async fn openstacksdk_with_queues_messages_and_claims() {
    run("openstacksdk_rest.py").await;
}
