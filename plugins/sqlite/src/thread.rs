//! Threads that belong to an open file.

use std::thread::{Builder, JoinHandle};

use sukkal_plugin_sdk::{Error, Result};

/// A thread of ours. Dropping this tells it to end, and waits for that.
pub struct Thread {
    tell: Box<dyn Fn() + Send>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    /// Starts it; `tell` makes `run` come to its end.
    ///
    /// # Errors
    /// `Unavailable`: no thread is left.
    pub fn start(name: &str, run: impl FnOnce() + Send + 'static, tell: impl Fn() + Send + 'static) -> Result<Thread> {
        Ok(Thread { tell: Box::new(tell), handle: Some(spawn(name, run)?) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        (self.tell)();
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

/// Starts a thread that ends by itself.
///
/// # Errors
/// `Unavailable`: no thread is left.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let no_thread = |error| Error::unavailable("no thread is left for the store").detail(error);
    Builder::new().name(name.to_owned()).spawn(run).map_err(no_thread)
}
