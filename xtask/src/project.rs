//! Where things lie, and how commands are run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;

/// The folder of the workspace.
pub fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// `cargo` with the arguments given (separated by blanks), run in the root.
pub fn cargo(arguments: &str) -> Command {
    let mut cargo = command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments);
    // What `cargo run` tells this process of its own package: build scripts that look at the like (ring's does)
    // would find it changed, and whatever depends on them would be built anew, each time.
    let ours = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        cargo.env_remove(name);
    }
    cargo
}

/// A command with the arguments given (separated by blanks), run in the root.
pub fn command(program: &str, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).args(arguments.split_whitespace());
    command
}

/// Runs a command to its end, with this process's input and output.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| unstartable(command, &error))?;
    if status.success() { Ok(()) } else { Err(ended(command, &status.to_string())) }
}

/// Runs a command to its end and returns what it printed.
pub fn output(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let output =
        command.stderr(std::process::Stdio::inherit()).output().map_err(|error| unstartable(command, &error))?;
    if output.status.success() { Ok(output.stdout) } else { Err(ended(command, &output.status.to_string())) }
}

/// Whether a program can be found and answers to these arguments.
pub fn answers(program: &str, arguments: &str) -> bool {
    command(program, arguments).output().is_ok_and(|output| output.status.success())
}

/// The failure of a command that did not start.
pub fn unstartable(command: &Command, error: &std::io::Error) -> Failure {
    Failure::Command { command: line(command), outcome: format!("cannot be started: {error}") }
}

/// The failure of a command that ended badly.
pub fn ended(command: &Command, status: &str) -> Failure {
    Failure::Command { command: line(command), outcome: format!("ended with {status}") }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
