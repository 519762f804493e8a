//! What the documentation tells people to type works as it is printed.

use std::process::Command;

use sukkal_tests::{Host, programs};

/// The host's address as the documentation has it.
const PRINTED: &str = "http://127.0.0.1:8888";

/// The code blocks of a language in a Markdown text.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let parts = markdown.split("```").collect::<Vec<_>>();
    let blocks = parts.iter().skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    blocks.filter(|(named, _)| *named == language).map(|(_, code)| code.to_owned()).collect()
}

/// Runs a program on a text of code, against the host, and returns what it printed.
fn run(host: &Host, program: &str, arguments: &[&str], code: &str) -> String {
    let code = code.replace(PRINTED, host.base());
    let mut command = Command::new(program);
    let output = command.args(arguments).arg(&code).current_dir(host.folder()).output().expect("it can be started");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{code}\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[tokio::test]
async fn the_readmes_first_message_with_curl() {
    let host = Host::start().await;
    let readme = std::fs::read_to_string(programs::checkout("README.md")).expect("the README");
    let blocks = blocks(&readme, "sh").into_iter().filter(|block| block.contains("curl")).collect::<Vec<_>>();
    assert!(!blocks.is_empty());
    let told = run(&host, "bash", &["-euc"], &blocks.concat());
    assert!(told.contains("hello"), "{told}");
}

#[tokio::test]
async fn the_readmes_first_message_with_python() {
    let host = Host::start().await;
    let readme = std::fs::read_to_string(programs::checkout("README.md")).expect("the README");
    let blocks = blocks(&readme, "python");
    assert_eq!(blocks.len(), 1);
    let told = run(&host, "python3", &["-c"], &blocks[0]);
    assert!(told.contains("hello"), "{told}");
}

#[tokio::test]
async fn the_example_clients_run_as_they_stand() {
    let host = Host::start().await;
    for (program, script) in [("bash", "examples/clients/worker.sh"), ("python3", "examples/clients/worker.py")] {
        let mut command = Command::new(program);
        command.arg(programs::checkout(script)).env("SUKKAL", host.base());
        let output = command.output().expect("it can be started");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}: {told}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains("done: order 3"), "{script}: {told}");
    }
    assert_eq!(host.queue("orders").counts().await, [0, 0, 0]);
}
