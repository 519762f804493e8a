//! `sukkal plugin new`: what it makes builds and loads (the guides' tests), and what it refuses.

use std::path::Path;
use std::process::{Command, Output};

use sukkal_tests::programs;
use tempfile::TempDir;

fn new(program: &Path, folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(["plugin", "new"]).args(arguments).current_dir(folder.path());
    command.output().expect("the program can be started")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// The one line on why nothing was made.
#[track_caller]
fn refused(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.stdout.is_empty(), "{told}");
    told
}

#[test]
fn a_folder_that_is_there_is_left_alone() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("stamp")).expect("a folder can be made");
    let told = refused(&new(&programs::sukkal(), &folder, &["filter", "stamp"]));
    assert_eq!(told, "sukkal: stamp is there already; take another name, or remove it\n");
    assert_eq!(std::fs::read_dir(folder.path().join("stamp")).expect("it is there").count(), 0);
}

#[test]
fn a_name_that_nothing_can_be_called_is_refused() {
    let folder = folder();
    for name in ["Stamp", "../stamp", "a_b"] {
        let told = refused(&new(&programs::sukkal(), &folder, &["filter", name]));
        assert!(told.contains("lower-case letters"), "{told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[test]
fn an_sdk_that_is_not_there_is_told_and_nothing_made() {
    let folder = folder();
    let told = refused(&new(&programs::sukkal(), &folder, &["pool", "mine", "--sdk", "no/such/folder"]));
    assert!(told.contains("no/such/folder") && told.contains("checkout"), "{told}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[test]
fn the_guide_that_is_named_is_there() {
    let folder = folder();
    for kind in ["filter", "pool", "catalog", "notifier"] {
        let made = new(&programs::sukkal(), &folder, &[kind, &format!("my-{kind}")]);
        let told = String::from_utf8_lossy(&made.stdout).into_owned();
        let guide = told.lines().last().and_then(|line| line.strip_prefix("How it goes on: ")).unwrap_or_default();
        assert!(Path::new(guide).is_absolute() && Path::new(guide).is_file(), "{told}");
        assert!(guide.ends_with(&format!("docs/plugins/{kind}.md")), "{told}");
    }
}

#[test]
fn the_sdk_comes_from_where_the_author_says() {
    let folder = folder();
    let made = new(&programs::sukkal(), &folder, &["catalog", "mine", "--sdk", "https://localhost/sukkal.git"]);
    assert!(made.status.success());
    let manifest = std::fs::read_to_string(folder.path().join("mine/Cargo.toml")).expect("a manifest");
    assert_eq!(
        manifest.matches("sukkal-plugin-sdk = { git = \"https://localhost/sukkal.git\"").count(),
        2,
        "{manifest}"
    );
}

#[test]
fn a_program_without_its_checkout_says_that_the_sdk_is_not_published() {
    let folder = folder();
    let program = folder.path().join("sukkal");
    std::fs::copy(programs::sukkal(), &program).expect("the program can be copied");
    let made = new(&program, &folder, &["notifier", "mine"]);
    let told = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success() && told.contains("not published") && told.contains("--sdk"), "{told}");
    let manifest = std::fs::read_to_string(folder.path().join("mine/Cargo.toml")).expect("a manifest");
    assert!(
        manifest.contains("sukkal-plugin-sdk = { version = \"1.") && manifest.contains("not published"),
        "{manifest}"
    );
}
