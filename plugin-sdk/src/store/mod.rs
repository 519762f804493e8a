//! What stores over an engine of their own have alike, whatever the engine is.

mod commit;
mod own_runs;
mod pauses;
pub mod refusal;
mod setting;
mod stripes;
mod watched;

pub use commit::{MAX_CHANGES, check_changes};
pub use own_runs::{OwnRuns, Run};
pub use pauses::Pauses;
pub use setting::{tellable, within};
pub use stripes::{STRIPES, stripe, stripes};
pub use watched::Watched;
