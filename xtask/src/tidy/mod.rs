//! `cargo xtask tidy`: what no compiler checks and a reviewer would.

mod arrows;
mod decisions;
mod files;
mod links;

use serde_json::Value;

use crate::failure::Failure;
use crate::project;

/// Prints every complaint; fails when there is one.
pub fn run() -> Result<(), Failure> {
    let metadata = project::output(&mut project::cargo("metadata --format-version 1 --locked"))?;
    let metadata: Value = serde_json::from_slice(&metadata)
        .map_err(|error| Failure::Found(format!("cargo metadata is no JSON: {error}")))?;
    let tracked = files::of_the_project()?;
    let mut complaints = arrows::check(&metadata);
    complaints.extend(files::check_lengths(&tracked)?);
    complaints.extend(files::check_unsafe(&metadata)?);
    complaints.extend(links::check(&tracked)?);
    complaints.extend(decisions::check(&tracked));
    for complaint in &complaints {
        eprintln!("tidy: {complaint}");
    }
    match complaints.len() {
        0 => Ok(()),
        n_complaints => Err(Failure::Found(format!("tidy found {n_complaints} fault(s)"))),
    }
}
