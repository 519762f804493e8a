//! Random histories of a queue against a model of it.
//!
//! A case states one input and what must come of it; a history is any sequence of what can happen to
//! a queue, drawn by chance. The model (`model`) is a list of messages. One client's history is held
//! to it answer by answer (`play`), that of several at once to what must hold however their work was
//! interleaved (`together`), and one may go on over kills of the process (`killed`). A history that
//! a store does not live through is shrunk to the shortest that shows it (`shrink`).

mod draw;
pub mod killed;
mod model;
mod play;
mod search;
mod shrink;
mod step;
mod together;

use std::time::Duration;

pub use killed::Saved;
pub use search::Search;
pub use step::Step;

use self::play::{Scene, Stop};
use self::step::Event;
use super::case::cases;
use super::{Effort, Failure, PoolBench};

cases! { PoolBench:
    "pool.history.one_by_one" one_by_one "a queue answers as a list of messages would, whatever happens to it, restarts included; what has expired is never returned"
    "pool.history.at_once" at_once "two live claims never hold one message, and nothing is lost, doubled or given out again, whatever several do at once"
}

/// Which histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One client's.
    OneByOne,
    /// Several clients' at once.
    AtOnce,
    /// One client's, over kills.
    OverKills,
}

impl Kind {
    /// The case's name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OneByOne => "pool.history.one_by_one",
            Kind::AtOnce => "pool.history.at_once",
            Kind::OverKills => killed::NAME,
        }
    }

    /// How many are looked at; those with kills take a process each.
    pub fn histories(self, effort: &Effort) -> u32 {
        match self {
            Kind::OneByOne | Kind::AtOnce => effort.histories,
            Kind::OverKills => effort.histories.div_ceil(10),
        }
    }

    /// How often a history is lived through, at the most, before it is believed to show nothing: what several do
    /// at once does not come out the same each time.
    fn tries(self) -> Tries {
        if self == Kind::AtOnce { Tries { few: 10, many: 100 } } else { Tries { few: 1, many: 1 } }
    }
}

/// How often a history is lived through.
struct Tries {
    /// While there are many that may show a fault.
    few: u32,
    /// When there is no other left.
    many: u32,
}

/// How long one step of a history may take, or one round of several clients. A whole history takes longer where the store
/// is slow.
const PATIENCE: Duration = Duration::from_secs(20);

async fn one_by_one(bench: PoolBench) -> Result<(), Failure> {
    let restarts = bench.reopen.is_some() && bench.capabilities()?.is_kept();
    let mut search = Search::new(Kind::OneByOne, &bench.effort);
    let mut bench = Some(bench);
    // There is no pool left where it could not be opened again.
    while let Some(open) = bench.take()
        && let Some(steps) = search.history()
    {
        let mut scene = None;
        let outcome = async {
            scene = Some(answered(Scene::begin(&open)).await??);
            drop(open);
            live(&mut scene, &steps, restarts).await
        };
        let outcome = outcome.await;
        bench = scene.map(|scene| scene.queue.bench);
        search.told(steps, failed(outcome));
    }
    search.verdict()
}

async fn live(scene: &mut Option<Scene>, steps: &[Step], restarts: bool) -> Result<(), Stop> {
    for step in steps {
        if restarts
            && step.event == Event::Restart
            && let Some(open) = scene.take()
        {
            *scene = Some(answered(open.restart()).await??);
        }
        if let Some(scene) = scene {
            answered(scene.step(step, true)).await??;
        }
    }
    Ok(())
}

async fn at_once(bench: PoolBench) -> Result<(), Failure> {
    let mut search = Search::new(Kind::AtOnce, &bench.effort);
    while let Some(steps) = search.history() {
        let outcome = together::live(&bench, &steps).await;
        search.told(steps, failed(outcome));
    }
    search.verdict()
}

/// Awaits what comes of a step. A store that does not answer fails it.
async fn answered<T>(step: impl Future<Output = T>) -> Result<T, Failure> {
    let silent = |_| Failure::Broken(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, step).await.map_err(silent)
}

/// What a history comes to that ended so.
fn failed(outcome: Result<(), Stop>) -> Result<(), Failure> {
    match outcome {
        Ok(()) | Err(Stop::Undecided) => Ok(()),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}
