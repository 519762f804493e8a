//! A line that tells how far it is: on a terminal alone.

use indicatif::{ProgressBar, ProgressStyle};

/// Steps of the line.
const STEPS: u64 = 1_000;

/// A line on standard error; gone when dropped. Where that is no terminal, nothing.
pub struct Progress(ProgressBar);

impl Progress {
    /// A line that begins with what is being done.
    pub fn new(doing: &'static str) -> Progress {
        let bar = ProgressBar::new(STEPS);
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:40}] {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(doing);
        Progress(bar)
    }

    /// How far it is (0 to 1), and a word on how it goes.
    pub fn set(&self, share: f64, message: &str) {
        self.0.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
        self.0.set_message(message.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
