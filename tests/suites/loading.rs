//! What is no plugin, or one of another SDK: told in one line each, with path, fault and mend; the
//! host starts without it, and does not start where it is needed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sukkal_plugin_sdk::ErrorKind;
use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::{self, TestClock};
use sukkal_tests::host::alone;
use sukkal_tests::{Host, programs};

/// A file that must be refused: its name, and what the line about it says.
struct Bad {
    name: &'static str,
    bytes: Vec<u8>,
    says: Vec<&'static str>,
}

fn bad(name: &'static str, bytes: impl Into<Vec<u8>>, says: &[&'static str]) -> Bad {
    Bad { name, bytes: bytes.into(), says: says.to_vec() }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a library can be read")
}

/// A sound plugin.
fn sound() -> Vec<u8> {
    read(&programs::library("sukkal-example-filter"))
}

/// The same library, with a text of its string tables exchanged for one of the same length.
fn exchanged(library: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let (old, new) = ([b"\0", from.as_bytes(), b"\0"].concat(), [b"\0", to.as_bytes(), b"\0"].concat());
    let mut bytes = library.to_vec();
    let places: Vec<usize> =
        bytes.windows(old.len()).enumerate().filter(|(_, at)| *at == old).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "the library names {from}");
    for place in places {
        bytes[place..place + new.len()].copy_from_slice(&new);
    }
    bytes
}

/// What no linker would make, and no plugin is.
fn files() -> Vec<Bad> {
    let sound = sound();
    let mut foreign = sound.clone();
    // The machine in the ELF header: AArch64.
    foreign[18..20].copy_from_slice(&[0xb7, 0]);
    let mut program = sound.clone();
    // The kind in the ELF header: a relocatable object.
    program[16..18].copy_from_slice(&[1, 0]);
    vec![
        bad("text.so", "I am not a library\n", &["is no shared library"]),
        bad("empty.so", "", &["is no shared library", "empty"]),
        bad("foreign.so", foreign, &["another machine", "Aarch64"]),
        bad("object.so", program, &["is no shared library"]),
        bad("no_plugin.so", read(&programs::bad_library("no_plugin")), &["no Sukkal plugin", "sukkal_plugin"]),
        bad(
            "symbol.so",
            exchanged(&sound, "pthread_key_create", "pthread_key_crEATE"),
            &["undefined symbol", "crEATE"],
        ),
        bad("needs.so", exchanged(&sound, "libgcc_s.so.1", "libabsent.so1"), &["libabsent.so1", "cannot open"]),
        bad("system.so", exchanged(&sound, "GLIBC_2.34", "GLIBC_9.34"), &["GLIBC_9.34", "not found", "older"]),
    ]
}

/// Plugins of other SDKs, and one that fails when it is asked.
fn plugins() -> Vec<Bad> {
    let library = |package| read(&programs::bad_library(package));
    let range = "takes 1.0 to 1.1";
    vec![
        bad("newer.so", library("newer_sdk"), &["SDK 1.99.0", range, "newer host", "sukkal-plugin-sdk 1.1.0", "`rev`"]),
        bad("major.so", library("other_major"), &["SDK 2.0.0", range, "sukkal-plugin-sdk 1.1.0", "`path`"]),
        bad(
            "layout.so",
            library("changed_layout"),
            &["SDK 1.1.0", "layouts differ: field host_id of OpenForm", "RString", "RVec", "cargo"],
        ),
        bad("panics.so", library("panics_at_load"), &["panics when asked for its manifest"]),
    ]
}

/// A host whose plugin directory holds these files beside SQLite.
fn host_with(files: &[Bad]) -> Host {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    for file in files {
        std::fs::write(host.folder().join("plugins").join(file.name), &file.bytes).expect("a file can be written");
    }
    host
}

/// The one line about a file.
#[track_caller]
pub fn line<'a>(told: &'a str, path: &str, says: &[&str]) -> &'a str {
    let lines: Vec<&str> = told.lines().filter(|line| line.contains(path)).collect();
    let [line] = lines.as_slice() else { panic!("{} lines about {path} in:\n{told}", lines.len()) };
    for part in says {
        assert!(line.contains(part), "`{part}` in: {line}");
    }
    assert!(line.contains("; "), "the mend in: {line}");
    line
}

pub fn sukkal(host: &Host, arguments: &[&str]) -> Output {
    let mut command = Command::new(programs::sukkal());
    command.current_dir(host.folder()).args(arguments);
    alone(&mut command);
    command.output().expect("the program can be started")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn serves_without(files: Vec<Bad>) {
    let mut host = host_with(&files);
    host.start_again().await;
    let log = host.log();
    for file in &files {
        line(&log, &format!("plugins/{}", file.name), &file.says);
    }
    host.queue("orders").post(["here"]).await;
}

#[tokio::test]
async fn files_that_are_no_plugins_are_told_in_a_line_each() {
    serves_without(files()).await;
}

#[tokio::test]
async fn plugins_of_other_sdks_are_told_with_versions_range_and_mend() {
    serves_without(plugins()).await;
}

#[test]
fn inspect_says_the_same_of_each_file_and_fails() {
    let files: Vec<Bad> = files().into_iter().chain(plugins()).collect();
    let host = host_with(&files);
    for file in &files {
        let output = sukkal(&host, &["plugin", "inspect", &format!("plugins/{}", file.name)]);
        assert_eq!(output.status.code(), Some(1), "{}", file.name);
        line(&text(&output.stderr), file.name, &file.says);
        assert!(output.stdout.is_empty(), "{}: {}", file.name, text(&output.stdout));
    }
}

#[test]
fn a_library_that_is_cut_anywhere_is_refused_and_kills_nobody() {
    let sound = sound();
    let host = host_with(&[]);
    let path = host.folder().join("cut.so");
    let whole = sound.len();
    let cuts = [1, 4, 16, 63, 64, 65, 200, 1000, 4096].into_iter();
    let cuts = cuts.chain((1..12).map(|twelfth| whole * twelfth / 12)).chain([whole - 4096, whole - 64, whole - 1]);
    for cut in cuts {
        std::fs::write(&path, &sound[..cut]).expect("a file can be written");
        let output = sukkal(&host, &["plugin", "look", "cut.so"]);
        assert_eq!(output.status.code(), Some(0), "after {cut} bytes of {whole}");
        let told = text(&output.stdout);
        assert!(told.contains("no shared library") || told.contains("cut short"), "after {cut} of {whole}: {told}");
    }
}

#[test]
fn a_needed_library_that_is_refused_ends_the_start_with_the_same_line() {
    let needed = |filter: &str, file: &Bad| {
        let setup = Host::with().plugins([programs::library("sukkal-sqlite")]);
        let host = setup.top(&format!("pipeline = [\"{filter}\"]")).prepare();
        std::fs::write(host.folder().join("plugins").join(file.name), &file.bytes).expect("a file can be written");
        let output = host.serve().output().expect("the host can be started");
        assert!(!output.status.success(), "{}", file.name);
        let told = text(&output.stderr);
        let last = told.lines().last().unwrap_or_default();
        assert!(last.contains(&format!("`{filter}`")), "{told}");
        line(last, file.name, &file.says);
    };
    for file in files().iter().chain(&plugins()) {
        needed("smallest", file);
    }
}

#[test]
fn an_unreadable_file_is_told() {
    let host = host_with(&[]);
    // Root may read everything: a link that leads in a circle is unreadable for all.
    let path = host.folder().join("circle.so");
    std::os::unix::fs::symlink(&path, &path).expect("a link can be made");
    let output = sukkal(&host, &["plugin", "inspect", "circle.so"]);
    assert_eq!(output.status.code(), Some(1));
    line(&text(&output.stderr), "circle.so", &["cannot be read", "permissions"]);
}

fn deadly() -> Bad {
    let library = read(&programs::bad_library("dies_at_load"));
    bad("dies.so", library, &["ended the process that looked into it (signal 6)"])
}

#[test]
fn what_ends_the_process_that_looks_costs_one_line_of_the_list() {
    let host = host_with(&[deadly()]);
    let output = sukkal(&host, &["plugin", "list", "--config", "sukkal.toml"]);
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    line(&told, "dies.so", &["refused:", deadly().says[0]]);
    assert!(told.contains("catalog sqlite, pool sqlite"), "{told}");
}

#[test]
fn whatever_a_library_is_called_and_wherever_it_leads_it_is_told_on_one_line() {
    let host = host_with(&[bad("two\nlines.so", "text", &[])]);
    std::os::unix::fs::symlink("/no/such/library.so", host.folder().join("plugins/gone.so")).expect("a link");
    let output = sukkal(&host, &["plugin", "list", "--config", "sukkal.toml"]);
    let told = text(&output.stdout);
    line(&told, "two\\nlines.so", &["is no shared library"]);
    line(&told, "gone.so", &["refused:", "cannot be read", "check the path"]);
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[tokio::test]
async fn what_ends_the_process_that_looks_costs_a_host_one_line() {
    serves_without(vec![deadly()]).await;
}

#[test]
fn the_list_tells_what_two_libraries_both_provide() {
    let twin = read(&programs::library("sukkal-sqlite"));
    let host = host_with(&[bad("twin.so", twin, &[])]);
    let output = sukkal(&host, &["plugin", "list", "--config", "sukkal.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("both provide the pool `sqlite`") && told.contains("twin.so"), "{told}");
    let serve = host.serve().output().expect("the host can be started");
    assert!(text(&serve.stderr).contains("both provide the pool `sqlite`"), "{}", text(&serve.stderr));
    assert_eq!(serve.status.code(), Some(2));
}

#[test]
fn inspect_tells_what_a_library_provides_and_its_settings() {
    let host = host_with(&[]);
    let path = programs::bad_library("misbehaves");
    let output = sukkal(&host, &["plugin", "inspect", &path.to_string_lossy()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    for part in [
        path.to_string_lossy().as_ref(),
        "misbehaves 0.1.0: A filter and a pool that misbehave",
        "SDK        1.1.0",
        "pools      misbehaves",
        "filters    misbehaves",
        "at (string, default \"\")",
        "A moment of the filter or a method of the pool; empty for each of them.",
        "default \"well\"",
    ] {
        assert!(told.contains(part), "`{part}` in:\n{told}");
    }
}

#[test]
fn inspect_tells_what_is_within_a_setting() {
    let host = host_with(&[]);
    let output =
        sukkal(&host, &["plugin", "inspect", &programs::library("sukkal-filter-rate-limit").to_string_lossy()]);
    let told = text(&output.stdout);
    let lines: Vec<&str> = told.lines().map(str::trim).collect();
    let post = lines.iter().position(|line| *line == "post (table)").unwrap_or(lines.len());
    let within = &lines[post.min(lines.len())..lines.len().min(post + 8)];
    for key in ["burst (integer", "per_second (integer"] {
        assert!(within.iter().any(|line| line.starts_with(key)), "{key} in:\n{told}");
    }
    assert!(told.contains(", needed)"), "{told}");
}

#[test]
fn inspect_tells_of_a_path_that_leads_to_no_file() {
    let host = host_with(&[]);
    // To open it would be to wait for whoever writes to it.
    let made = Command::new("mkfifo").arg(host.folder().join("pipe.so")).status().expect("mkfifo can be run");
    assert!(made.success());
    for (path, fault, mend) in [
        ("pipe.so", "is no regular file", "name a library"),
        ("/dev/null", "is no regular file", "name a library"),
        ("no/such.so", "cannot be read: No such file", "check the path"),
        (".", "is a folder", "name the library in it"),
    ] {
        let output = sukkal(&host, &["plugin", "inspect", path]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with(&format!("sukkal: {path}: {fault}")) && told.contains(mend), "{told}");
    }
}

#[test]
fn a_uri_that_its_plugin_does_not_check_is_said_to_be_unchecked() {
    // Its author names no function for that; its SDK had none.
    for (library, scheme) in [("misbehaves", "misbehaves"), ("older_sdk", "memory")] {
        let host = Host::with()
            .top(&format!("default_pool = \"{scheme}:x?any=thing\""))
            .plugins([programs::library("sukkal-sqlite"), programs::bad_library(library)])
            .prepare();
        let output = sukkal(&host, &["config", "check", "--config", "sukkal.toml"]);
        let told = text(&output.stdout);
        assert!(output.status.success(), "{told}{}", text(&output.stderr));
        assert!(line_of(&told, "`default_pool`").contains("nothing but the scheme was looked at"), "{told}");
        assert!(line_of(&told, "`catalog`").is_empty(), "{told}");
    }
}

/// Opens the pool of the library that was built with the first SDK.
async fn old_pool(folder: &Path) -> (sukkal_plugin_sdk::load::LoadedPool, TestClock) {
    let clock = TestClock::default();
    let path: PathBuf = programs::bad_library("older_sdk");
    let library = Library::load(&path, folder, clock.services()).expect("an older library loads");
    assert_eq!(library.manifest().sdk, "1.0.0");
    let arguments = OpenArgs {
        which: "memory".to_owned(),
        uri: "memory:".to_owned(),
        settings: "{}".to_owned(),
        data_dir: folder.to_string_lossy().into_owned(),
        host_id: "test".to_owned(),
        records: None,
        isolate: false,
    };
    (library.open_pool(arguments).await.expect("its pool opens"), clock)
}

#[tokio::test]
async fn a_method_that_an_older_library_lacks_is_unsupported_and_the_others_work() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (pool, clock) = old_pool(folder.path()).await;
    let call = testing::call(&clock);
    let error = pool.usage(&call).await.expect_err("SDK 1.0 had no usage");
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.to_string().contains("usage") && error.to_string().contains("older SDK"), "{error}");
    pool.health(&call).await.expect("the other methods work");
}

#[tokio::test]
async fn a_host_serves_from_a_library_of_an_older_sdk() {
    // The older one is loaded before the other, as its name sorts: neither spoils the other.
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("older_sdk")];
    let host = Host::with().plugins(libraries).top("default_pool = \"memory:\"").start().await;
    let orders = host.queue("orders");
    orders.post(["a", "b"]).await;
    assert_eq!(orders.claim(1).await.bodies(), ["a"]);
    assert_eq!(orders.pop(5).await.len(), 1);
}

#[tokio::test]
async fn two_libraries_that_bundle_one_c_library_each_see_their_own() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("broken_stores")];
    let mut host = Host::with().plugins(libraries).top("default_pool = \"broken:pool.db\"").start().await;
    host.queue("orders").post(["a"]).await;
    assert_eq!(host.stop().await.code(), Some(0));
    host.start_again().await;
    assert_eq!(host.queue("orders").pop(2).await[0]["body"], "a");
}

/// The loader that a program names.
fn loader(program: &Path) -> String {
    use object::{Object, ObjectSection};
    let bytes = read(program);
    let file = object::File::parse(&*bytes).expect("it is an ELF file");
    let name = file.section_by_name(".interp").expect("it is linked dynamically").data().expect("a path").to_vec();
    text(&name).trim_end_matches('\0').to_owned()
}

#[test]
fn a_process_that_cannot_begin_is_not_blamed_on_the_library() {
    let path = programs::library("sukkal-sqlite");
    // Run by the loader, the program takes the loader for itself: what it then starts is not itself.
    let mut command = Command::new(loader(&programs::sukkal()));
    command.arg(programs::sukkal()).args(["plugin", "inspect"]).arg(path);
    alone(&mut command);
    let output = command.output().expect("the loader can be started");
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    line(&told, "libsukkal_sqlite.so", &["no process can be started for it: it ended before it began", "ulimit"]);
    assert!(!told.contains("author"), "{told}");
}

pub fn line_of<'a>(told: &'a str, word: &str) -> &'a str {
    told.lines().find(|line| line.contains(word)).unwrap_or_default()
}

#[test]
fn an_unknown_setting_is_told_with_its_line_and_the_known_ones() {
    let host = Host::with()
        .plugins([programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")])
        .section("[plugins.misbehaves]\nmanner = \"well\"\n[plugins.sqlite]\nreaders = \"two\"")
        .prepare();
    let output = sukkal(&host, &["config", "check", "--config", "sukkal.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(line_of(&told, "manner").contains("known here: at, does"), "{told}");
    assert!(line_of(&told, "plugins.sqlite.readers").contains("does not fit"), "{told}");
    assert!(told.lines().filter(|line| !line.is_empty()).all(|line| line.contains("sukkal.toml:")), "{told}");
}
