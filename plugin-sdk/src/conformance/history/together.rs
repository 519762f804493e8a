//! Histories of several clients at once. How their work was interleaved nobody knows, but some things
//! hold however it was: what one client has been given and not begun to give back is nobody else's,
//! what was deleted is given to nobody, and when all are done what is there is what was posted and
//! not taken out.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::answered;
use super::model::{ClaimName, Known, Model, numbers, plain};
use super::play::{Scene, Stop, delete, new_claim, post, release};
use super::step::{Event, Step, secs};
use crate::conformance::bench::Queue;
use crate::conformance::case::{ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Claimed, Guard, Message, Place, Timestamp};

/// No claim ends within this from the moment that clients set to work.
const MARGIN: Duration = Duration::from_secs(10);

/// What all clients together know.
#[derive(Default)]
struct Board {
    model: Model,
    /// Places that posts were answered with.
    posted: HashSet<Place>,
    /// Places of what was popped, or is being deleted.
    gone: HashSet<Place>,
}

type Shared = Arc<Mutex<Board>>;

fn lock(board: &Shared) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lives through a history.
///
/// # Errors
/// Something does not hold.
pub async fn live(bench: &PoolBench, steps: &[Step]) -> Result<(), Stop> {
    let mut scene = answered(Scene::begin(bench)).await??;
    let mut board = Board::default();
    for round in steps.split_inclusive(|step| step.event.to_all()) {
        scene.settle(MARGIN);
        let next = scene.model.next_instant(scene.now());
        board.model = std::mem::take(&mut scene.model);
        let shared = Shared::new(Mutex::new(board));
        let outcome = answered(at_once(&scene.queue, &shared, round)).await?;
        board = std::mem::take(&mut *lock(&shared));
        scene.decided(outcome.and_then(|()| board.all_posted()), next)?;
        scene.model = std::mem::take(&mut board.model);
        scene.model.messages.sort_unstable_by_key(|message| message.place);
        let outcome = answered(scene.model.compare(&scene.queue)).await?;
        scene.decided(outcome, next)?;
        if let Some(Step { event: pass @ Event::Pass { .. }, .. }) = round.last() {
            answered(scene.step(&Step { client: 0, event: *pass }, true)).await??;
        }
    }
    Ok(())
}

/// Each client takes its steps, one after the other; all clients at once.
async fn at_once(queue: &Queue, board: &Shared, round: &[Step]) -> Result<(), Failure> {
    let mut clients: BTreeMap<u8, Vec<Event>> = BTreeMap::new();
    for step in round.iter().filter(|step| !step.event.to_all()) {
        clients.entry(step.client).or_default().push(step.event);
    }
    let start = Arc::new(Barrier::new(clients.len()));
    let mut working: JoinSet<Result<(), Failure>> = JoinSet::new();
    for (client, events) in clients {
        let (queue, board, start) = (queue.clone(), board.clone(), start.clone());
        working.spawn(async move {
            start.wait().await;
            for event in events {
                act(&queue, &board, client, event).await?;
            }
            Ok(())
        });
    }
    while let Some(ended) = working.join_next().await {
        ended.map_err(|error| Failure::Broken(error.to_string()))??;
    }
    Ok(())
}

async fn act(queue: &Queue, board: &Shared, client: u8, event: Event) -> Result<(), Failure> {
    let name = |claim| ClaimName { client, claim };
    match event {
        Event::Post { count, ttl, delay } => {
            let before = queue.bench.clock.now();
            let places = post(queue, count, ttl, delay).await?;
            lock(board).posted(places, [before, queue.bench.clock.now()], ttl)
        }
        Event::Claim { claim, limit, ttl } => {
            let claimed = queue.claim_as(new_claim(queue, name(claim), limit, ttl)).await?;
            lock(board).claimed(name(claim), &claimed, limit, ttl)
        }
        Event::Release { claim, .. } => {
            lock(board).model.release(name(claim));
            release(queue, name(claim), 0).await
        }
        Event::DeleteClaimed { claim } => {
            let held = lock(board).take_out(name(claim));
            let guard = Guard::Claim(name(claim).id(queue.reference.id()));
            ensure_eq!(
                delete(queue, held.clone(), guard).await?,
                held.len(),
                "how many were deleted under their claim"
            );
            Ok(())
        }
        Event::Pop { limit } => {
            let popped = queue.pool().pop(&queue.call(), &queue.reference, limit.into()).await?;
            lock(board).popped(client, &popped.messages)
        }
        Event::Sweep => Ok(queue.sweep().await?),
        _ => Ok(()),
    }
}

impl Board {
    fn posted(&mut self, places: Vec<Place>, between: [Timestamp; 2], ttl: u32) -> Result<(), Failure> {
        for place in places {
            ensure!(self.posted.insert(place), "two messages were posted to place {}", place.0);
            // Others may have met it before its post was answered.
            if !self.gone.contains(&place) && self.model.at(place).is_none() {
                self.model.messages.push(Known::posted(place, between, ttl, 0));
            }
        }
        Ok(())
    }

    fn claimed(&mut self, name: ClaimName, claimed: &Claimed, limit: u16, ttl: u32) -> Result<(), Failure> {
        let messages = &claimed.batch.messages;
        if self.model.lives(name) {
            ensure_eq!(numbers(messages), plain(&self.model.held(name)), "the places of a claim that is repeated");
            return Ok(());
        }
        ensure!(messages.len() <= limit.into(), "a claim of up to {limit} got {} messages", messages.len());
        ensure!(messages.is_sorted_by_key(|message| message.place), "a claim's places: {:?}", numbers(messages));
        for message in messages {
            let known = self.available(message, || format!("{} was given", name.told()))?;
            known.claims += 1;
            ensure_eq!(message.claims, known.claims, "the count of claims of place {}", message.place.0);
        }
        let places: Vec<_> = messages.iter().map(|message| message.place).collect();
        if !places.is_empty() {
            self.model.hold(&places, name, claimed.batch.now.after(secs(ttl)));
        }
        Ok(())
    }

    fn popped(&mut self, client: u8, messages: &[Message]) -> Result<(), Failure> {
        for message in messages {
            self.available(message, || format!("a pop of client {client} was given"))?;
            self.model.remove(&[message.place]);
            self.gone.insert(message.place);
        }
        Ok(())
    }

    /// What somebody was just given, which must be nobody's.
    fn available(&mut self, message: &Message, who: impl Fn() -> String) -> Result<&mut Known, Failure> {
        let place = message.place;
        ensure!(!self.gone.contains(&place), "{} the message at place {}, which was taken out before", who(), place.0);
        let at = self.model.messages.iter().position(|known| known.place == place).unwrap_or_else(|| {
            // Its post is not answered yet.
            self.model.messages.push(Known::told(message));
            self.model.messages.len() - 1
        });
        let known = &mut self.model.messages[at];
        if let Some((holder, _)) = known.held {
            let holder = holder.told();
            return Err(Failure::Broken(format!("{} the message at place {}, which {holder} holds", who(), place.0)));
        }
        Ok(known)
    }

    /// What a claim holds is about to be deleted.
    fn take_out(&mut self, name: ClaimName) -> Vec<Place> {
        let held = self.model.held(name);
        self.model.remove(&held);
        self.gone.extend(&held);
        held
    }

    /// When all posts are answered, nothing is known that nobody posted.
    fn all_posted(&self) -> Result<(), Failure> {
        let known = self.model.messages.iter().map(|message| &message.place).chain(&self.gone);
        let stray = known.filter(|place| !self.posted.contains(place)).min();
        ensure!(
            stray.is_none(),
            "a message was given out at place {}, to which nobody posted",
            stray.map_or(0, |place| place.0)
        );
        Ok(())
    }
}
