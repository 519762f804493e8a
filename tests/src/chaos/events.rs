//! What happened when.

use std::time::Instant;

/// The log of a run.
#[derive(Debug)]
pub struct Events {
    begun: Instant,
    told: Vec<String>,
}

impl Default for Events {
    fn default() -> Events {
        Events { begun: Instant::now(), told: Vec::new() }
    }
}

impl Events {
    /// Writes down what happens now.
    pub fn tell(&mut self, what: &str) {
        self.told.push(format!("{:.3} s: {what}", self.begun.elapsed().as_secs_f64()));
    }

    /// All of it.
    pub fn told(self) -> Vec<String> {
        self.told
    }
}
