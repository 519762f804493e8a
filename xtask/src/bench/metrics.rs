//! What counting costs: a host whose metrics can be read counts, one whose cannot does not.

use super::Bench;
use super::load::Measured;
use super::report::{Goal, Line, Unit};
use super::server::{Server, Setup};
use crate::failure::Failure;

/// The share that two equal hosts differ by.
const GOAL: f64 = 0.97;

/// Posts to memory, where there is least beside the counting.
pub fn measure(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    let load = bench.timed("post").with("connections", 64);
    let (mut without, mut with) = (Measured::default(), Measured::default());
    for _ in 0..bench.turns {
        without = without.better(load.run(&Server::host(&bench.folder.join("without"), &Setup::memory())?)?);
        with = with.better(load.run(&Server::host(&bench.folder.join("with"), &Setup::memory().admin())?)?);
    }
    tell(Line {
        what: "post 1 KiB, memory, with metrics, 64".to_owned(),
        made_of: vec![("without/s", without.rate), ("with/s", with.rate)],
        figure: with.rate / without.rate,
        unit: Unit::Share,
        goal: Goal::AtLeast(GOAL),
        note: "",
    });
    Ok(())
}
