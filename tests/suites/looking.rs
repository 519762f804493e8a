//! `sukkal plugin` looks into libraries: what they do meanwhile, and what they are called, is told as it is and of the
//! right one.

use std::path::Path;

use sukkal_tests::{Host, programs};

use crate::loading::{line, sukkal, text};

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
