//! The private copy of which a library is loaded: where it cannot be made, or nothing be run from it; that nothing is
//! left of it, and that only of plugins one is made.

use std::path::Path;
use std::process::{Command, Output};

use sukkal_tests::host::alone;
use sukkal_tests::{Host, programs};

use crate::loading::{line, line_of, sukkal, text};

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

/// What lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder can be read");
    entries.map(|entry| entry.expect("an entry can be read").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn nothing_is_left_of_a_copy_whatever_the_library_does_and_however_the_host_ends() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("dies_at_load")];
    let setup = Host::with().plugins(libraries).top("default_pool = \"sqlite:/no/such/folder/pool.db\"");
    let host = setup.prepare();
    let scratch = host.folder().join("scratch");
    std::fs::create_dir(&scratch).expect("a folder can be made");
    let mut list = Command::new(programs::sukkal());
    alone(list.current_dir(host.folder()).args(["plugin", "list", "--config", "sukkal.toml"]));
    let listed = list.env("TMPDIR", &scratch).output().expect("the program can be started");
    line(&text(&listed.stdout), "libdies_at_load.so", &["signal 6"]);
    assert_eq!(names(&scratch), Vec::<String>::new(), "of a library that has ended the process that looked into it");
    let served = host.serve().env("TMPDIR", &scratch).output().expect("the host can be started");
    let told = text(&served.stderr);
    assert!(!served.status.success() && told.contains("/no/such/folder/pool.db"), "{told}");
    assert_eq!(names(&scratch), Vec::<String>::new(), "of a library that was loaded by a host that did not start");
}

#[test]
fn what_is_no_plugin_is_refused_before_it_is_copied() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    std::fs::write(host.folder().join("text.so"), vec![b'a'; 1 << 20]).expect("a file can be written");
    // Neither on disk nor in memory can it be copied whole.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -f 64; exec \"$0\" plugin inspect text.so"]).arg(programs::sukkal());
    alone(command.current_dir(host.folder()));
    let output = command.output().expect("a shell can be started");
    assert_eq!(output.status.code(), Some(1));
    line(&text(&output.stderr), "text.so", &["is no shared library (unknown file magic)"]);
}

#[test]
fn a_library_that_is_larger_than_a_plugin_may_be_is_refused() {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    let path = host.folder().join("large.so");
    std::fs::copy(programs::library("sukkal-memory"), &path).expect("a library can be copied");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a file can be opened");
    // It takes no room: nothing is written there.
    file.set_len((512 << 20) + 1).expect("a file can grow");
    let output = sukkal(&host, &["plugin", "inspect", "large.so"]);
    assert_eq!(output.status.code(), Some(1));
    line(&text(&output.stderr), "large.so", &["is larger than a plugin may be (512 MiB)", "strip"]);
}
