//! `chaos POOL CATALOG HOSTS SECONDS [SEED]`: the chaos run as a command; `cargo xtask chaos` builds and runs it.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Duration;

use sukkal_tests::chaos::{self, CatalogKind, PoolKind, Stores};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}\nusage: chaos POOL CATALOG HOSTS SECONDS [SEED]");
            return ExitCode::FAILURE;
        }
    };
    println!("seed {}", arguments.seed);
    let stores = Stores::start(arguments.pool, arguments.catalog).await;
    let summary = chaos::run(stores, arguments.hosts, arguments.load, arguments.seed).await;
    println!("{summary}");
    let kept = summary.violations.is_empty() && summary.undecided.is_none();
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Arguments {
    pool: PoolKind,
    catalog: CatalogKind,
    hosts: usize,
    load: Duration,
    seed: u64,
}

impl Arguments {
    fn read() -> Result<Arguments, String> {
        let mut given = std::env::args().skip(1);
        let mut next = |what: &str| given.next().ok_or_else(|| format!("{what} is missing"));
        let number = |text: String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
        let pool = next("POOL")?.parse()?;
        let catalog = next("CATALOG")?.parse()?;
        let hosts = number(next("HOSTS")?)?.clamp(1, 16) as usize;
        let load = Duration::from_secs(number(next("SECONDS")?)?);
        let seed = next("SEED").map_or_else(|_| Ok(rand::random()), number)?;
        Ok(Arguments { pool, catalog, hosts, load, seed })
    }
}
