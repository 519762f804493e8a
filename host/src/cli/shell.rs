//! `sukkal completions` and `sukkal man`: what a shell and a reader of manuals want of a program.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::failure::{Failed, failed};
use crate::output::tell;

#[derive(Args)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

#[derive(Args)]
pub struct Man {
    /// Write a page for each command into this directory, in place of printing the first.
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

/// Prints a script that completes commands and options.
pub fn completions(options: &Completions) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "sukkal", &mut script);
    print(&script)
}

/// Prints the manual's page, or writes them all.
pub fn man(options: &Man) -> Result<(), Failed> {
    if let Some(dir) = &options.dir {
        return pages(dir).map_err(|error| {
            failed(&format!("the pages cannot be written into {}: {error}; name a directory that can", dir.display()))
        });
    }
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = clap_mangen::Man::new(Cli::command()).render(&mut page);
    print(&page)
}

fn pages(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)
}

fn print(text: &[u8]) -> Result<(), Failed> {
    Ok(tell(String::from_utf8_lossy(text).trim_end())?)
}
