//! `sukkal bench`.

use super::failure::{Failed, USAGE, failed};
use crate::bench::{self, Options};
use crate::plugin;

/// Measures a server, and tells what came of it.
pub fn run(options: &Options) -> Result<(), Failed> {
    let report = bench::run(options).map_err(|failure| {
        let told = failed(&failure.to_string());
        if failure.is_usage() { told.with(USAGE) } else { told }
    })?;
    if options.json {
        plugin::tell(format_args!("{}", report.json()));
    } else {
        plugin::tell(format_args!("{report}"));
    }
    Ok(())
}
