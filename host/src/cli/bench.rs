//! `sukkal bench`.

use super::failure::{Failed, USAGE, failed};
use crate::bench::{self, Options};
use crate::output::tell;

/// Measures a server, and tells what came of it.
pub fn run(options: &Options) -> Result<(), Failed> {
    let report = bench::run(options).map_err(|failure| {
        let told = failed(&failure.to_string());
        if failure.is_usage() { told.with(USAGE) } else { told }
    })?;
    if options.json {
        tell(report.json())?
    } else {
        tell(report)?
    }
    Ok(())
}
