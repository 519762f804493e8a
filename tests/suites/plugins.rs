//! Plugins: an author's library is dropped in, named, and works; what is no plugin does no harm.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use sukkal_tests::host::{Setup, alone};
use sukkal_tests::pools::{admin, pool, register};
use sukkal_tests::{Host, programs};

const PLAIN: &str = "There is no spoon";
/// The same with its letters rotated by 13, as the example filter keeps it.
const SEALED: &str = "Gurer vf ab fcbba";

fn libraries() -> [PathBuf; 2] {
    [programs::library("sukkal-sqlite"), programs::library("sukkal-example-filter")]
}

fn sealing() -> Setup {
    Host::with().plugins(libraries()).top("pipeline = [\"seal\"]").section("[filters.seal]\nrotation = 13")
}

/// Whether the pool's files hold a text.
fn store_holds(folder: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder.join("data")).expect("the data directory").flatten();
    let bytes = files.filter_map(|file| std::fs::read(file.path()).ok());
    bytes.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[tokio::test]
async fn a_filter_changes_what_is_stored_and_nobody_sees_it() {
    let host = sealing().start().await;
    let orders = host.queue("orders");
    let body = json!({ "text": PLAIN, "n": 1.50 });
    let ids = orders.post([body.clone(), body.clone()]).await;
    assert_eq!(orders.list("?echo=true").await.bodies()[0], body);
    assert_eq!(orders.list(&format!("?ids={}", ids[0])).await.bodies()[0], body);
    assert_eq!(orders.get(&ids[0]).await.expect(200).json()["body"], body);
    let claim = orders.claim(1).await;
    assert_eq!(claim.bodies()[0], body);
    assert_eq!(claim.get().await.expect(200).json()["messages"][0]["body"], body);
    claim.release().await;
    let popped = orders.pop(2).await;
    assert_eq!([&popped[0]["body"], &popped[1]["body"]], [&body, &body]);
    assert_eq!(popped[0]["claim_count"], 1, "a pop through a filter is not counted as a claim");
    assert_eq!(orders.counts().await, [0, 0, 0]);
    assert!(store_holds(host.folder(), SEALED));
    assert!(!store_holds(host.folder(), PLAIN));
}

#[tokio::test]
async fn what_was_stored_without_the_filter_stays_readable() {
    let mut host = Host::with().plugins(libraries()).start().await;
    host.queue("orders").post([PLAIN]).await;
    assert!(store_holds(host.folder(), PLAIN));
    host.stop().await;
    let config = host.folder().join("sukkal.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    std::fs::write(&config, format!("pipeline = [\"seal\"]\n{text}")).expect("the configuration can be written");
    host.start_again().await;
    host.queue("orders").post([PLAIN]).await;
    assert_eq!(host.queue("orders").list("?echo=true").await.bodies(), [PLAIN, PLAIN]);
}

#[tokio::test]
async fn a_filters_settings_are_checked() {
    let host = sealing().prepare();
    let config = host.folder().join("sukkal.toml");
    let sound = std::fs::read_to_string(&config).expect("the configuration");
    for (setting, complaint) in
        [("rotation = 26", "1 to 25"), ("rotation = \"x\"", "rotation"), ("rotatoin = 3", "rotatoin")]
    {
        std::fs::write(&config, sound.replace("rotation = 13", setting)).expect("the configuration can be written");
        let output = host.serve().output().expect("the host can be started");
        assert!(matches!(output.status.code(), Some(1 | 2)), "{setting}: {}", output.status);
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(told.contains(complaint), "{setting}: {told}");
    }
}

/// Puts into a plugin directory what is no plugin; returns the names that must be complained about.
fn litter(folder: &Path) -> Vec<&'static str> {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("a file can be written");
    let sound = std::fs::read(programs::library("sukkal-example-filter")).expect("the example can be read");
    write("text.so", b"I am not a library\n");
    write("empty.so", b"");
    write("truncated.so", &sound[..sound.len() / 2]);
    write("head.so", &sound[..64]);
    let mut foreign = sound.clone();
    foreign[18] = 0xb7; // the machine in the ELF header: AArch64
    write("foreign.so", &foreign);
    write("notes.txt", b"to be passed over");
    for name in ["folder.so", "folder"] {
        std::fs::create_dir(folder.join(name)).expect("a folder can be made");
    }
    let made = Command::new("mkfifo").arg(folder.join("pipe.so")).status().expect("the system has mkfifo");
    assert!(made.success(), "a pipe can be made");
    std::os::unix::fs::symlink("/dev/zero", folder.join("device.so")).expect("a link can be made");
    std::os::unix::fs::symlink("/no/such/file", folder.join("dangling.so")).expect("a link can be made");
    let system = ["/lib/x86_64-linux-gnu/libz.so.1", "/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6"];
    if let Some(system) = system.iter().find(|path| Path::new(path).exists()) {
        std::fs::copy(system, folder.join("system.so")).expect("a library can be copied");
    }
    vec![
        "text.so",
        "empty.so",
        "truncated.so",
        "head.so",
        "foreign.so",
        "folder.so",
        "pipe.so",
        "device.so",
        "dangling.so",
    ]
}

#[tokio::test]
async fn files_that_are_no_plugins_are_told_and_passed_over() {
    let mut host = sealing().prepare();
    let folder = host.folder().join("plugins");
    let names = litter(&folder);
    host.start_again().await;
    let log = host.log();
    let list = listed(&host);
    for name in names {
        let path = folder.join(name).display().to_string();
        for told in [&log, &list] {
            assert_eq!(told.lines().filter(|line| line.contains(&path)).count(), 1, "one line on {name}:\n{told}");
        }
    }
    assert!(!log.contains("notes.txt"), "{log}");
    host.queue("orders").post([PLAIN]).await;
    assert_eq!(host.queue("orders").list("?echo=true").await.bodies(), [PLAIN]);
}

#[tokio::test]
async fn two_libraries_of_one_filter_end_the_start_with_both_paths() {
    let host = sealing().prepare();
    let folder = host.folder().join("plugins");
    std::fs::copy(programs::library("sukkal-example-filter"), folder.join("a_copy.so")).expect("it can be copied");
    let output = host.serve().output().expect("the host can be started");
    assert!(matches!(output.status.code(), Some(1 | 2)), "{}", output.status);
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    for part in ["a_copy.so", "libsukkal_example_filter.so", "seal"] {
        assert!(told.contains(part), "{part} in: {told}");
    }
}

/// What `plugin list` prints.
fn listed(host: &Host) -> String {
    let mut command = Command::new(programs::sukkal());
    command.current_dir(host.folder()).args(["plugin", "list", "--config", "sukkal.toml"]);
    alone(&mut command);
    let output = command.output().expect("the host can be started");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[tokio::test]
async fn the_list_of_plugins_names_what_each_provides() {
    let told = listed(&sealing().prepare());
    assert!(told.contains("seal") && told.contains("sqlite"), "{told}");
}

#[tokio::test]
async fn replacing_a_library_does_a_running_host_no_harm() {
    let host = sealing().start().await;
    host.queue("orders").post([PLAIN]).await;
    for library in libraries() {
        let name = library.file_name().unwrap_or_default();
        // In place, as a careless copy does it: the same file gets other bytes.
        std::fs::write(host.folder().join("plugins").join(name), vec![0; 4096]).expect("a file can be written");
    }
    assert_eq!(host.queue("orders").claim(1).await.bodies(), [PLAIN]);
    host.queue("orders").post([PLAIN]).await;
}

/// What the page of the plugins tells of one.
async fn state(host: &Host, plugin: &str) -> serde_json::Value {
    let page = host.pages().get("/plugins").await.expect(200).json();
    let plugins = page["plugins"].as_array().cloned().unwrap_or_default();
    plugins.into_iter().find(|of| of["name"] == plugin).map(|of| of["state"].clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_library_is_loaded_by_what_first_needs_it() {
    let host = admin(Host::with().plugins(["sukkal-sqlite", "sukkal-memory"].map(programs::library))).start().await;
    assert_eq!(state(&host, "memory").await, "found");
    pool(&host, "p1", "memory:").await;
    assert_eq!(state(&host, "memory").await, "in use");
    host.queue("orders").post([PLAIN]).await;
}

#[tokio::test]
async fn a_library_that_is_another_at_its_first_use_is_refused_until_it_is_the_same_again() {
    let [sqlite, memory, audit] = ["sukkal-sqlite", "sukkal-memory", "sukkal-filter-audit"].map(programs::library);
    let host = admin(Host::with().plugins([sqlite, memory.clone()])).start().await;
    let installed = host.folder().join("plugins").join(memory.file_name().unwrap_or_default());
    let wanted = json!({ "uri": "memory:", "weight": 1 });
    for (other, reason) in [(audit, "is another plugin now; restart the host"), (PathBuf::from("/dev/null"), "empty")] {
        std::fs::write(&installed, std::fs::read(other).expect("a library")).expect("a file can be written");
        let refused = register(&host, "p1", wanted.clone()).await.expect(400);
        assert!(refused.text().contains(reason), "{}", refused.text());
    }
    std::fs::copy(memory, &installed).expect("a file can be copied");
    register(&host, "p1", wanted).await.expect(201);
}
