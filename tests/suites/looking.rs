//! `sukkal plugin` looks into libraries: what they do meanwhile, and what they are called, is told as it is and of the
//! right one.

use std::path::Path;

use object::{Object as _, ObjectSection as _};
use sukkal_tests::{Host, programs};

use crate::loading::{line, line_of, sukkal, text};

/// A host whose plugin directory holds these libraries, each under a name of its own.
fn host_with(libraries: &[(&str, &Path)]) -> Host {
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).prepare();
    for (name, library) in libraries {
        std::fs::copy(library, host.folder().join("plugins").join(name)).expect("a library can be copied");
    }
    host
}

#[test]
fn two_libraries_with_one_name_are_told_with_both_paths_and_refused() {
    let (one, other) = (programs::bad_library("misbehaves"), programs::bad_library("sukkal_misbehaves"));
    let host = host_with(&[("one.so", &one), ("other.so", &other)]);
    for command in [&["plugin", "list"][..], &["config", "check"], &["serve"]] {
        let output = sukkal(&host, &[command, &["--config", "sukkal.toml"]].concat());
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let told = text(&output.stderr);
        line(&told, "/one.so", &["/other.so are both called `misbehaves`", "take one of them out", "rename its crate"]);
    }
}

#[test]
fn plugins_are_listed_whatever_else_is_wrong_with_the_settings() {
    let mistake = "signed_urls.secret_key = { env = \"SUKKAL_TEST_NOBODY_SETS_THIS\" }";
    let host = Host::with().plugins([programs::library("sukkal-sqlite")]).top(mistake).prepare();
    let output = sukkal(&host, &["plugin", "list", "--config", "sukkal.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(line_of(&text(&output.stdout), "libsukkal_sqlite.so").contains("catalog sqlite, pool sqlite"));
    assert!(line_of(&text(&output.stderr), "signed_urls.secret_key").contains("SUKKAL_TEST_NOBODY_SETS_THIS"));
}

#[test]
fn each_library_has_a_patience_of_its_own() {
    // Together they take longer than one of them may.
    let slow = programs::bad_library("slow_at_load");
    let names: Vec<String> = (1..=8).map(|number| format!("slow{number}.so")).collect();
    let libraries: Vec<(&str, &Path)> = names.iter().map(|name| (name.as_str(), slow.as_path())).collect();
    let host = host_with(&libraries);
    let output = sukkal(&host, &["plugin", "list", "--config", "sukkal.toml"]);
    let told = text(&output.stdout);
    assert!(!told.contains("refused"), "{told}");
    for name in &names {
        assert!(line_of(&told, name).contains("filter slow-at-load"), "{told}");
    }
}

#[test]
fn what_a_library_says_as_it_ends_the_process_is_told_in_its_line() {
    let host = host_with(&[("dies.so", &programs::bad_library("dies_at_load"))]);
    let output = sukkal(&host, &["plugin", "list", "--config", "sukkal.toml"]);
    line(&text(&output.stdout), "dies.so", &["(signal 6): ended  [31mby itself; take it out"]);
}

/// A library whose relocations have another size (`DT_RELAENT`) than there is.
fn inconsistent(library: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(library).expect("a library can be read");
    let file = object::File::parse(&*bytes).expect("it is an ELF file");
    let section = file.section_by_name(".dynamic").expect("it is linked dynamically");
    let (offset, size) = section.file_range().expect("it is in the file");
    let (begin, end) = (offset as usize, (offset + size) as usize);
    let entries = bytes[begin..end].chunks_exact_mut(16);
    let relaent = 9_u64.to_le_bytes();
    let entry = entries.into_iter().find(|entry| entry[..8] == relaent).expect("it has relocations");
    entry[8] = 23;
    bytes
}

#[test]
fn what_the_loader_says_as_it_ends_the_process_is_told_in_the_line_of_the_library() {
    let host = host_with(&[]);
    let library = inconsistent(&programs::library("sukkal-memory"));
    std::fs::write(host.folder().join("plugins/inconsistent.so"), library).expect("a file can be written");
    let output = sukkal(&host, &["plugin", "list", "--config", "sukkal.toml"]);
    let told = text(&output.stdout);
    line(&told, "inconsistent.so", &["(status 127): Inconsistency detected by ld.so", "take it out"]);
    // Its words are told of no other.
    assert!(line_of(&told, "libsukkal_sqlite.so").contains("catalog sqlite, pool sqlite"), "{told}");
}

#[test]
fn a_library_may_be_called_as_an_option_is() {
    let host = Host::with().top("plugin_dirs = [\"-p\"]").prepare();
    std::fs::create_dir(host.folder().join("-p")).expect("a folder can be made");
    for path in ["-p/-m.so", "-m.so"] {
        std::fs::copy(programs::library("sukkal-memory"), host.folder().join(path)).expect("a library can be copied");
    }
    for arguments in [
        &["plugin", "list", "--config", "sukkal.toml"][..],
        &["plugin", "inspect", "--", "-m.so"],
        &["plugin", "verify", "--case", "pool.claim.exclusive", "--", "-m.so"],
    ] {
        let output = sukkal(&host, arguments);
        let told = text(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {told}{}", text(&output.stderr));
        assert!(!told.contains("refused:") && told.contains("memory"), "{told}");
    }
}

#[test]
fn what_a_library_says_of_itself_moves_no_cursor_and_makes_no_line() {
    let host = host_with(&[]);
    let output = sukkal(&host, &["plugin", "inspect", &programs::bad_library("sukkal_misbehaves").to_string_lossy()]);
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    assert!(
        told.contains("misbehaves 0.1.0: A plugin that is called as another, and tells that  [31min red\n"),
        "{told}"
    );
    assert!(!told.contains('\u{1b}'), "{told}");
}
