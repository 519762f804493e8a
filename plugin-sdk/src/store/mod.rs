//! What stores over an engine of their own have alike, whatever the engine is.

mod own_runs;
mod stripes;

pub use own_runs::{OwnRuns, Run};
pub use stripes::{STRIPES, stripe, stripes};
