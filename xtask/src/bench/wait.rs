//! From a post to the answer of a long poll that waits for it.

use super::Bench;
use super::load::Measured;
use super::report::{Goal, Line, Unit};
use super::server::{Server, Setup};
use crate::failure::Failure;

/// One message in flight, over SQLite and memory, HTTP and the websocket.
pub fn measure(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    for (store, setup, goal) in [("sqlite", Setup::sqlite(), 0.3), ("memory", Setup::memory(), 0.13)] {
        let setup = setup.websocket();
        let load = bench.timed("wait").with("connections", 1);
        for (transport, load) in [("", load.clone()), (", websocket", load.over_websocket())] {
            let mut best: Option<Measured> = None;
            for _ in 0..bench.turns {
                let measured = load.run(&Server::host(&bench.folder.join("host"), &setup)?)?;
                best = best.filter(|best| best.p50 <= measured.p50).or(Some(measured));
            }
            let Some(best) = best else { continue };
            tell(Line {
                what: format!("p50 of a post to a waiting long poll, {store}{transport}"),
                made_of: vec![("p50", best.p50), ("p99", best.p99)],
                figure: best.p50,
                unit: Unit::Millis,
                goal: Goal::AtMost(goal),
                note: "",
            });
        }
    }
    Ok(())
}
