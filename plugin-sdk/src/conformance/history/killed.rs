//! Histories over kills. They take a process a kill: one lives until it is killed, and the next goes
//! on with what it is told of the first. `sukkal plugin verify` alone runs them.

use serde::{Deserialize, Serialize};

use super::failed;
use super::model::Model;
use super::play::{Scene, Stop};
use super::step::{Event, Step};
use crate::conformance::bench::Queue;
use crate::conformance::{Failure, PoolBench};
use crate::{QueueId, QueueRef, Timestamp};

/// Its name, as a case.
pub const NAME: &str = "pool.history.over_kills";
/// Its promise.
pub const PROMISE: &str =
    "what was acknowledged is there after any history with kills in it, and claims, delays and ends go on";

/// What one process tells the next.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    queue: u64,
    placement: Vec<u8>,
    model: Model,
    /// What the clock showed.
    now: Timestamp,
    /// How many steps are taken.
    taken: usize,
}

/// Lives through a history, or through what of it is left. `kill` must note down what it is given
/// and end the process, which has no call in flight then.
///
/// # Errors
/// The store fails it, or states that it keeps nothing.
pub async fn live(
    bench: PoolBench,
    steps: &[Step],
    saved: Option<Saved>,
    kill: impl FnOnce(&Saved),
) -> Result<(), Failure> {
    bench.must_be_kept()?;
    failed(play(bench, steps, saved, kill).await)
}

async fn play(bench: PoolBench, steps: &[Step], saved: Option<Saved>, kill: impl FnOnce(&Saved)) -> Result<(), Stop> {
    let (mut scene, mut taken) = match saved {
        None => (Scene::begin(&bench).await?, 0),
        Some(saved) => resume(bench, saved).await?,
    };
    while let Some(step) = steps.get(taken) {
        taken += 1;
        if step.event == Event::Kill {
            let Scene { queue, model } = scene;
            let placement = queue.reference.placement().to_vec();
            let now = queue.bench.clock.now();
            kill(&Saved { queue: queue.reference.id().0, placement, model, now, taken });
            return Ok(());
        }
        // A look would give the store time to write what it has acknowledged.
        let look = steps.get(taken).is_none_or(|next| next.event != Event::Kill);
        scene.step(step, look).await?;
    }
    Ok(())
}

/// Goes on after a kill, which must have changed nothing.
async fn resume(bench: PoolBench, saved: Saved) -> Result<(Scene, usize), Stop> {
    // The kit's clock starts anew with each process.
    bench.clock.advance(saved.now.since(bench.clock.now()));
    let reference = QueueRef::new(QueueId(saved.queue), 1, saved.placement);
    let mut scene = Scene { queue: Queue { bench, reference }, model: saved.model };
    scene.step(&Step { client: 0, event: Event::Kill }, true).await?;
    Ok((scene, saved.taken))
}
