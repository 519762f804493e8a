//! `sukkal serve`.

use super::failure::{Failed, failed};
use super::source::Source;
use crate::log;
use crate::serve::{self, StartError};

/// Runs the host until it is told to end.
pub fn run(source: &Source) -> Result<(), Failed> {
    let config = source.load_with_plugins()?;
    log::start(&config.log);
    // One that a plugin blocks is not to be the only one.
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| failed(&format!("the runtime cannot be started: {error}")))?;
    let served = runtime.block_on(serve::serve(config, {
        let source = source.clone();
        move || source.load()
    }));
    // What still runs was given its time; a store that is shut down does not need it.
    runtime.shutdown_background();
    served.map_err(|error| match error {
        StartError::System(line) => failed(&line),
        StartError::Settings(mistakes) => mistakes.into(),
        StartError::Opening(mistakes) => Failed::from(mistakes).with(1),
    })
}
