//! What stores over an engine of their own have alike, whatever the engine is.

mod own_runs;
mod pauses;
mod stripes;
mod watched;

pub use own_runs::{OwnRuns, Run};
pub use pauses::Pauses;
pub use stripes::{STRIPES, stripe, stripes};
pub use watched::Watched;
