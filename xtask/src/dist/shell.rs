//! What the program itself writes for shells and readers of manuals.

use std::path::Path;
use std::process::Command;

use super::parts::{READ, write};
use crate::failure::Failure;
use crate::project;

/// Where Debian's shells look for completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/sukkal"),
    ("zsh", "usr/share/zsh/vendor-completions/_sukkal"),
    ("fish", "usr/share/fish/vendor_completions.d/sukkal.fish"),
];

/// Puts manual pages and completions below a folder.
pub fn put_pages(program: &Path, tree: &Path) -> Result<(), Failure> {
    for (shell, path) in COMPLETIONS {
        let script = project::output(Command::new(program).args(["completions", shell]))?;
        write(&tree.join(path), &script, READ)?;
    }
    let pages = tree.join("usr/share/man/man1");
    // The folder is made with its mode by whoever writes first into it.
    let main = pages.join("sukkal.1");
    write(&main, &project::output(Command::new(program).arg("man"))?, READ)?;
    project::run(Command::new(program).args(["man", "--dir"]).arg(&pages))?;
    let written = std::fs::read_dir(&pages).map_err(Failure::io(format!("cannot read {}", pages.display())))?;
    let written: Vec<_> = written.flatten().map(|page| page.path()).collect();
    project::run(Command::new("gzip").args(["--best", "--no-name", "--force"]).args(&written))
}
