//! `cargo xtask bench`: the figures that Sukkal is held to, each beside what it is compared with.
//!
//! Absolute rates say as much about the machine as about the program. So each rate is stated beside
//! the ceiling's: the same HTTP server, with as many connections, answering a constant.

mod connections;
mod depth;
mod hosts;
mod load;
mod memory;
mod metrics;
mod postgres;
mod rate;
mod redis;
mod report;
mod row;
mod server;
mod start;
mod wait;
mod websocket;

use std::path::PathBuf;

use serde_json::json;

use crate::failure::Failure;
use crate::project;
use load::Load;
use row::{ROWS, Row};

/// What to measure, and how to tell it.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Print JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// These rows alone; may be given again.
    #[arg(long, value_name = "ROW", value_parser = |name: &str| row::named(name).map(|row| row.name))]
    only: Vec<&'static str>,
    /// Length of each measurement, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How often what is compared takes turns at each figure. The best turn of each counts; of depths, the
    /// middle one of the turns' ratios.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    turns: u32,
    /// Where hosts keep their data: a folder on the disk to be measured. Default: below target/bench.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// What is measured is built already, with optimisation.
    #[arg(long)]
    no_build: bool,
}

/// How a row is measured.
#[derive(Debug)]
pub struct Bench {
    folder: PathBuf,
    seconds: u64,
    turns: u32,
}

impl Bench {
    /// Work for as long as was asked for.
    fn timed(&self, work: &'static str) -> Load {
        Load::new(work).with("seconds", self.seconds)
    }
}

/// Builds with optimisation, then measures each row and tells its lines as they are known.
pub fn run(options: &Options) -> Result<(), Failure> {
    if !options.no_build {
        project::run(&mut project::cargo(
            "build --release --workspace --lib --bin sukkal --bin connections --example ceiling",
        ))?;
    }
    let folder = options.data_dir.clone().unwrap_or_else(|| project::target().join("bench"));
    let bench = Bench { folder, seconds: options.seconds, turns: options.turns };
    let mut lines = Vec::new();
    if !options.json {
        println!("{} turn(s) of {} s each; SQLite with synchronous=FULL", bench.turns, bench.seconds);
        println!("{}", report::head());
    }
    for row in rows(&options.only) {
        let mut tell = |line: report::Line| match options.json {
            true => lines.push(line.json()),
            false => println!("{line}"),
        };
        (row.measure)(&bench, &mut tell)?;
    }
    if options.json {
        println!("{}", json!({ "seconds": bench.seconds, "turns": bench.turns, "lines": lines }));
    }
    Ok(())
}

fn rows(only: &[&str]) -> impl Iterator<Item = Row> {
    ROWS.into_iter().filter(move |row| only.is_empty() || only.contains(&row.name))
}
