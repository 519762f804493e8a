//! `cargo xtask bench`: the real host against the ceiling, in turns, in one run.
//!
//! Absolute rates say as much about the machine as about the program. So each figure is stated
//! beside the ceiling's: the same HTTP server, with as many connections, answering a constant.

mod connection;
mod depth;
mod latency;
mod load;
mod report;
mod server;
mod work;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::project;
use load::Measured;
use report::{Figure, Report};
use server::Server;
use work::Work;

/// What to measure, and how to tell it.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Print JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Length of each measurement, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often ceiling and host take turns at each figure; the best turn of each counts.
    #[arg(long, default_value_t = 2)]
    turns: u32,
    /// Where the host keeps its data: a folder on the disk to be measured. Default: below target/bench.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Compare deep queues with shallow ones, and many with few, in place of host and ceiling.
    #[arg(long)]
    depth: bool,
    /// The release build is there: measure.
    #[arg(long, hide = true)]
    built: bool,
}

/// Each figure: what is done, over how many connections.
const FIGURES: [(Work, usize); 5] =
    [(Work::Post, 1), (Work::Post, 16), (Work::Post, 64), (Work::ClaimAndDelete, 16), (Work::ClaimAndDelete, 64)];

/// Builds with optimisation, this program too, since the load generator is part of it; then measures.
pub fn run(options: &Options) -> Result<(), Failure> {
    if !options.built {
        project::run(&mut project::cargo("build --release --workspace --lib --bins --examples"))?;
        let mut optimised = Command::new(project::target().join("release").join("xtask"));
        optimised.args(std::env::args_os().skip(1)).arg("--built");
        let error = optimised.exec();
        return Err(project::unstartable(&optimised, &error));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("cannot start the load generator's runtime"))?;
    if options.depth {
        return runtime.block_on(depth::run(&folder(options), seconds(options), options.turns));
    }
    let report = runtime.block_on(measure_all(options))?;
    println!("{}", if options.json { report.json() } else { report.table() });
    Ok(())
}

async fn measure_all(options: &Options) -> Result<Report, Failure> {
    let folder = folder(options);
    let mut figures = Vec::new();
    for (work, connections) in FIGURES {
        eprintln!("{} over {connections} connection(s) …", work.name());
        let mut figure = Figure { work, connections, ceiling: Measured::default(), host: Measured::default() };
        for _ in 0..options.turns.max(1) {
            let ceiling = Server::ceiling(&folder)?;
            figure.ceiling = figure
                .ceiling
                .better(load::run(&ceiling, Work::Post.among(work::QUEUES), connections, seconds(options)).await?);
            drop(ceiling);
            let host = Server::host(&folder)?;
            if work == Work::ClaimAndDelete {
                load::fill(&host, options.seconds).await?;
            }
            figure.host =
                figure.host.better(load::run(&host, work.among(work::QUEUES), connections, seconds(options)).await?);
        }
        figures.push(figure);
    }
    Ok(Report { figures, seconds: options.seconds, turns: options.turns.max(1) })
}

fn folder(options: &Options) -> PathBuf {
    options.data_dir.clone().unwrap_or_else(|| project::target().join("bench"))
}

fn seconds(options: &Options) -> Duration {
    Duration::from_secs(options.seconds.max(1))
}
