//! The private copy of which a library is loaded: where it cannot be made, or nothing be run from it.

use std::process::{Command, Output};

use sukkal_tests::host::alone;
use sukkal_tests::{Host, programs};

use crate::loading::{line, line_of, text};

/// Runs the program where nothing can be run from TMPDIR. None where this user may not mount.
fn where_nothing_can_be_run(host: &Host, arguments: &[&str]) -> Option<Output> {
    let folder = host.folder().join("noexec");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let mount = "mount -t tmpfs -o noexec tmpfs \"$TMPDIR\" || exit 77; exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "/bin/sh", "-c", mount]).arg(programs::sukkal()).args(arguments);
    alone(command.current_dir(host.folder()).env("TMPDIR", &folder));
    let output = command.output().expect("a shell can be started");
    if output.status.code() == Some(77) || text(&output.stderr).starts_with("unshare:") {
        eprintln!("not run: it takes root to mount something: {}", text(&output.stderr));
        return None;
    }
    Some(output)
}

#[tokio::test]
async fn a_host_starts_where_no_copy_of_a_library_can_be_made_on_disk() {
    // Two libraries, which must not be taken for one.
    let libraries = ["sukkal-sqlite", "sukkal-memory"].map(programs::library);
    let setup = Host::with().plugins(libraries).top("default_pool = \"memory:\"").env("TMPDIR", "/no/such/folder");
    let host = setup.start().await;
    host.queue("orders").post(["a"]).await;
    assert_eq!(host.queue("orders").pop(1).await[0]["body"], "a");
}

#[test]
fn a_folder_for_copies_that_is_mounted_noexec_is_told_as_that() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite"), programs::library("sukkal-memory")]).prepare();
    let path = programs::library("sukkal-sqlite");
    let Some(output) = where_nothing_can_be_run(&host, &["plugin", "inspect", &path.to_string_lossy()]) else { return };
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    line(&told, "libsukkal_sqlite.so", &["noexec, which is mounted noexec", "set TMPDIR"]);
    // One reason is told once, whatever number of files it has.
    let output =
        where_nothing_can_be_run(&host, &["serve", "--config", "sukkal.toml"]).expect("it was possible before");
    let told = text(&output.stderr);
    let warned: Vec<&str> = told.lines().filter(|line| line.contains(" WARN ")).collect();
    let [warned] = warned.as_slice() else { panic!("{told}") };
    assert!(warned.contains("libsukkal_memory.so, ") && warned.contains("libsukkal_sqlite.so: "), "{warned}");
    let ended = told.lines().find(|line| line.contains("`catalog` needs")).expect("a line about the catalog");
    assert_eq!(ended.matches("mounted noexec").count(), 1, "{ended}");
}

#[test]
fn a_limit_of_the_size_of_files_is_not_blamed_on_the_library() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let path = programs::library("sukkal-sqlite");
    for arguments in [&["plugin", "inspect", &path.to_string_lossy()][..], &["serve", "--config", "sukkal.toml"]] {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -f 64; exec \"$0\" \"$@\""]).arg(programs::sukkal()).args(arguments);
        alone(command.current_dir(host.folder()));
        let output = command.output().expect("a shell can be started");
        let told = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{}: {told}", output.status);
        let line = line_of(&told, "libsukkal_sqlite.so");
        assert!(line.contains("cannot be copied to") && line.contains("`ulimit -f`"), "{told}");
        assert!(!told.contains("author"), "{told}");
    }
}
