//! Files that are too long, and crates that could hold unsafe code.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::arrows::is_ours;
use crate::failure::Failure;
use crate::project;

/// The longest file of code, in lines.
const LONGEST: usize = 450;

/// How a crate's root forbids unsafe code. libFuzzer's entry is one, and written by its own macro.
const FORBIDDEN: [&str; 2] = ["#![forbid(unsafe_code)]", "#![cfg_attr(not(fuzzing), forbid(unsafe_code))]"];
/// All the unsafe code of the project is here.
const UNSAFE: &str = "sukkal-plugin-sdk";

/// The project's files, as git sees them: tracked, or new and not ignored.
pub fn of_the_project() -> Result<Vec<PathBuf>, Failure> {
    let listed = project::output(&mut project::command("git", "ls-files -z --cached --others --exclude-standard"))?;
    let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let paths = names.map(|name| project::root().join(String::from_utf8_lossy(name).as_ref()));
    // A file that was deleted and not committed yet is still listed.
    Ok(paths.filter(|path| path.is_file()).collect())
}

/// Complaints about files of Rust that are too long to have one subject.
pub fn check_lengths(files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut complaints = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let n_lines = read(path)?.lines().count();
        if n_lines > LONGEST {
            let name = path.strip_prefix(project::root()).unwrap_or(path).display();
            complaints.push(format!("{name} has {n_lines} lines, more than {LONGEST}: split it by subject"));
        }
    }
    Ok(complaints)
}

/// Complaints about crates' roots without `#![forbid(unsafe_code)]`.
pub fn check_unsafe(metadata: &Value) -> Result<Vec<String>, Failure> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut complaints = Vec::new();
    for package in packages.iter().filter(|package| is_ours(package) && package["name"] != UNSAFE) {
        let targets = package["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        for root in targets.iter().filter_map(|target| target["src_path"].as_str()) {
            let text = read(Path::new(root))?;
            if !FORBIDDEN.iter().any(|line| text.contains(line)) {
                complaints.push(format!("{root} lacks {}", FORBIDDEN[0]));
            }
        }
    }
    Ok(complaints)
}

/// A file's text.
pub fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(Failure::io(format!("cannot read {}", path.display())))
}
