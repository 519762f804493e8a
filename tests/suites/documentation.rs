//! What the documentation tells people to type works as it is printed.

use std::path::Path;
use std::process::Command;

use sukkal_plugin_sdk::conformance::{crash, history::killed};
use sukkal_tests::stores::STORES;
use sukkal_tests::{Host, programs, reference};

/// The host's address as the documentation has it.
const PRINTED: &str = "http://127.0.0.1:8888";

/// What runs the example clients, and where they lie.
const WORKERS: [(&str, &str); 2] = [("bash", "examples/clients/worker.sh"), ("python3", "examples/clients/worker.py")];

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
async fn what_clients_do_from_a_shell() {
    let host = Host::start().await;
    let page = std::fs::read_to_string(programs::checkout("docs/clients.md")).expect("the page");
    let blocks = blocks(&page, "sh").into_iter().filter(|block| block.contains("sukkal queue")).collect::<Vec<_>>();
    assert_eq!(blocks.len(), 1);
    let path = format!("PATH={}:$PATH\n", programs::folder().display());
    let told = run(&host, "bash", &["-euc"], &(path + &blocks[0]));
    assert!(told.contains("a.png") && told.contains("20 work.txt") && told.ends_with("tasks deleted\n"), "{told}");
}

#[tokio::test]
async fn the_example_clients_run_as_they_stand() {
    let host = Host::start().await;
    for (program, script) in WORKERS {
        let mut command = Command::new(program);
        command.arg(programs::checkout(script)).env("SUKKAL", host.base());
        let output = command.output().expect("it can be started");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}: {told}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains("done: order 3"), "{script}: {told}");
    }
    assert_eq!(host.queue("orders").counts().await, [0, 0, 0]);
}

#[tokio::test]
async fn the_example_clients_tell_a_failure_from_nothing_to_do() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let section = "[plugins.misbehaves]\ndoes = \"fail\"\nat = \"claim\"";
    let host = Host::with().plugins(libraries).top("default_pool = \"misbehaves:\"").section(section).start().await;
    for (program, script) in WORKERS {
        let mut command = Command::new(program);
        let output = command.arg(programs::checkout(script)).env("SUKKAL", host.base()).output();
        let output = output.expect("it can be started");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("503"), "{script}: {told}");
    }
}

#[tokio::test]
async fn the_clients_guide_speaks_over_a_websocket() {
    let host = Host::start().await;
    let guide = std::fs::read_to_string(programs::checkout("docs/clients.md")).expect("the guide");
    let session = blocks(&guide, "python").into_iter().find(|block| block.contains("create_connection"));
    let session = session.expect("a session in Python").replace("127.0.0.1:9000", &host.websocket_address());
    let python = programs::python();
    let told = run(&host, python.to_str().expect("a path"), &["-c"], &session);
    assert_eq!(told.trim(), "hello");
    assert_eq!(host.queue("orders").counts().await, [0, 0, 0]);
}

#[tokio::test]
async fn the_clients_guide_connects_clients_where_there_is_no_keystone() {
    let host = Host::start().await;
    let guide = std::fs::read_to_string(programs::checkout("docs/clients.md")).expect("the guide");
    let (python, project) = (programs::python(), programs::checkout("tests/clients/project_auth"));
    let (python, project) = (python.to_str().expect("a path"), project.to_str().expect("a path"));
    let path = format!("import sys; sys.path.append({project:?})\n");
    let code = |language: &str, of: &str| {
        let block = blocks(&guide, language).into_iter().find(|block| block.contains(of));
        block.unwrap_or_else(|| panic!("the guide has no {of}"))
    };
    let bin = Path::new(python).parent().expect("a folder").display();
    let commands = code("sh", "openstack messaging").replace("tests/clients/project_auth", project);
    run(&host, "bash", &["-euc"], &format!("PATH={bin}:$PATH\n{commands}"));
    let told = run(&host, python, &["-c"], &(path + &code("python", "openstack.connect")));
    assert_eq!(told.trim(), "['hello']");
    // It posts a second one, and works both off.
    let told = run(&host, python, &["-c"], &code("python", "zaqarclient"));
    assert_eq!(told, "hello\nhello\n");
    assert_eq!(host.queue("orders").counts().await, [0, 0, 0]);
}

/// `UPDATE_DOCS=1` writes the page in place of comparing it.
#[test]
fn the_page_of_the_conformance_kit_lists_every_case() {
    let path = programs::checkout("docs/plugins/conformance.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (head, _) = page.split_once("| case |").expect("a table of cases");
    keep(&path, &page, &format!("{head}{}", table()), "conformance_kit");
}

/// `UPDATE_DOCS=1` writes the page in place of comparing it.
#[test]
fn the_page_of_the_settings_is_what_their_doc_comments_say() {
    let path = programs::checkout("docs/config.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (head, _) = page.split_once("## ").expect("a section");
    keep(
        &path,
        &page,
        &format!("{head}{}", reference::markdown().trim_end().to_owned() + "\n"),
        "page_of_the_settings",
    );
}

#[track_caller]
fn keep(path: &Path, page: &str, due: &str, test: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, due).expect("the page can be written");
        return;
    }
    let due_here = due.lines().zip(page.lines()).find(|(due, page)| due != page);
    assert!(page == due, "UPDATE_DOCS=1 cargo nextest run -E 'test({test})' brings it up to date: {due_here:?}");
}

/// What the conformance tests hold each store to.
fn table() -> String {
    let pools = sukkal_plugin_sdk::conformance::pool_cases().into_iter().map(|case| (case.name, case.promise));
    let kills = [(crash::NAME, crash::PROMISE), (killed::NAME, killed::PROMISE)];
    let catalogs = sukkal_plugin_sdk::conformance::catalog_cases().into_iter().map(|case| (case.name, case.promise));
    let servers = ["mongodb", "postgres", "mysql"];
    let names = STORES.iter().map(|store| store.scheme).chain(servers);
    let heads: String = names.map(|name| format!(" {name} |")).collect();
    let mut table =
        format!("| case | holds a store to |{heads}\n|---|---|{}\n", "---|".repeat(STORES.len() + servers.len()));
    for (name, promise) in pools.chain(kills).chain(catalogs) {
        let is_catalogs = name.starts_with("catalog.");
        let kept = STORES.map(|store| {
            if is_catalogs && !store.has_catalog() {
                return " |";
            }
            if store.offers(name) { " kept |" } else { " not offered |" }
        });
        let kept_there = servers.map(|server| match server {
            // The server of the tests is slow, and the slower the more it holds.
            "mongodb" if name.starts_with("pool.depth.") => " not run |",
            "mongodb" => " kept |",
            _ if is_catalogs => " kept |",
            _ => " |",
        });
        table.push_str(&format!("| `{name}` | {promise} |{}{}\n", kept.concat(), kept_there.concat()));
    }
    table
}
