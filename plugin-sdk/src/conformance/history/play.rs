//! One client's history, step by step: each answer of the store must be the model's.

use std::time::Duration;

use super::model::{ClaimName, Instant, Known, Model, numbers, plain};
use super::step::{Event, Step, secs};
use crate::conformance::bench::{MINUTE, Queue, messages};
use crate::conformance::case::{ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Delete, Guard, NewClaim, Place, Post, Release, Renewal, Timestamp};

/// A queue of the store's, and what is known of it.
pub struct Scene {
    pub queue: Queue,
    pub model: Model,
}

/// Why a history is not gone on with.
pub enum Stop {
    /// The store failed it.
    Failed(Failure),
    /// What the store met is unknown: no fault.
    Undecided,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

/// No instant of a history lies so near ahead when a step is taken that the step might reach it.
const MARGIN: Duration = Duration::from_secs(1);

impl Scene {
    /// A new queue.
    pub async fn begin(bench: &PoolBench) -> Result<Scene, Failure> {
        Ok(Scene { queue: bench.queue().await?, model: Model::default() })
    }

    pub fn now(&self) -> Timestamp {
        self.queue.bench.clock.now()
    }

    /// Closes the pool and opens it again.
    pub async fn restart(self) -> Result<Scene, Failure> {
        Ok(Scene { queue: self.queue.restart().await?, model: self.model })
    }

    /// Lets time pass until nothing ends or falls due within a margin.
    pub fn settle(&mut self, margin: Duration) {
        let mut now = self.now();
        while let Some(instant) = self.model.next_instant(now).filter(|instant| *instant <= now.after(margin)) {
            self.queue.advance(instant.since(now) + Duration::from_millis(50));
            now = self.now();
        }
        self.model.pass(now);
    }

    /// Takes a step, and looks at what is there afterwards unless nobody may look.
    ///
    /// # Errors
    /// An answer is not the model's.
    pub async fn step(&mut self, step: &Step, look: bool) -> Result<(), Stop> {
        if let Event::Pass { seconds } = step.event {
            self.queue.advance(secs(seconds));
        }
        self.settle(MARGIN);
        let next = self.model.next_instant(self.now());
        let mut outcome = self.happen(step).await;
        if outcome.is_ok() && look {
            outcome = self.model.compare(&self.queue).await;
        }
        self.decided(outcome, next)
    }

    /// What came of something that was to be over before an instant. Where the machine was so busy
    /// that it was not, either answer may be right.
    pub fn decided(&self, outcome: Result<(), Failure>, instant: Option<Timestamp>) -> Result<(), Stop> {
        match outcome {
            Err(Failure::Broken(_)) if instant.is_some_and(|instant| instant <= self.now()) => Err(Stop::Undecided),
            outcome => outcome.map_err(Stop::Failed),
        }
    }

    async fn happen(&mut self, step: &Step) -> Result<(), Failure> {
        let name = |claim| ClaimName { client: step.client, claim };
        match step.event {
            Event::Post { count, ttl, delay } => self.post(count, ttl, delay).await,
            Event::Claim { claim, limit, ttl } => self.claim(name(claim), limit, ttl).await,
            Event::Renew { claim, ttl } => self.renew(name(claim), ttl).await,
            Event::Release { claim, delay } => self.release(name(claim), delay).await,
            Event::Delete { position } => self.delete(position).await,
            Event::DeleteClaimed { claim } => self.delete_claimed(name(claim)).await,
            Event::Pop { limit } => self.pop(limit).await,
            Event::Sweep => Ok(self.queue.sweep().await?),
            Event::Pass { .. } | Event::Meet | Event::Restart | Event::Kill => Ok(()),
        }
    }

    async fn post(&mut self, count: u16, ttl: u32, delay: u32) -> Result<(), Failure> {
        let before = self.now();
        let places = post(&self.queue, count, ttl, delay).await?;
        let between = [before, self.now()];
        let newest = self.model.messages.last().map(|message| message.place);
        ensure!(places.is_sorted() && newest < places.first().copied(), "places do not ascend: {:?}", plain(&places));
        self.model.messages.extend(places.into_iter().map(|place| Known::posted(place, between, ttl, delay)));
        Ok(())
    }

    async fn claim(&mut self, name: ClaimName, limit: u16, ttl: u32) -> Result<(), Failure> {
        let claimed = self.queue.claim_as(new_claim(&self.queue, name, limit, ttl)).await?;
        let now = claimed.batch.now;
        self.model.pass(now);
        let got = numbers(&claimed.batch.messages);
        if self.model.lives(name) {
            ensure_eq!(got, plain(&self.model.held(name)), "the places of a claim that is repeated");
            return Ok(());
        }
        let free = self.model.free(now, limit);
        ensure_eq!(got, plain(&free), "the places of a claim");
        if free.is_empty() {
            // A message that ends as it falls due may be counted or not: a date too early costs one look.
            let dates = [self.model.next_due(true), self.model.next_due(false)];
            ensure!(dates.contains(&claimed.next_due), "{:?} is not when the next falls due", claimed.next_due);
            return Ok(());
        }
        self.model.hold(&free, name, now.after(secs(ttl)));
        for message in &claimed.batch.messages {
            if let Some(known) = self.model.at(message.place) {
                known.claims += 1;
                ensure_eq!(message.claims, known.claims, "the count of claims of place {}", message.place.0);
                known.learn(message, now)?;
            }
        }
        Ok(())
    }

    async fn renew(&mut self, name: ClaimName, ttl: u32) -> Result<(), Failure> {
        let Scene { queue, model } = self;
        let renewal = Renewal { ttl: secs(ttl), grace: MINUTE, places: None, extensions: Default::default() };
        let id = name.id(queue.reference.id());
        let renewed = queue.pool().claim_renew(&queue.call(), &queue.reference, id, renewal).await?;
        ensure_eq!(renewed, model.lives(name), "whether a claim can be renewed");
        if renewed {
            let read = queue.pool().claim_get(&queue.call(), &queue.reference, id).await?;
            let Some(read) = read else {
                return Err(Failure::Broken("a claim that was just renewed is not there".to_owned()));
            };
            let held = model.held(name);
            ensure_eq!(numbers(&read.messages), plain(&held), "the places of a renewed claim");
            model.hold(&held, name, read.renewed.after(secs(ttl)));
        }
        Ok(())
    }

    async fn release(&mut self, name: ClaimName, delay: u32) -> Result<(), Failure> {
        let before = self.now();
        release(&self.queue, name, delay).await?;
        let due = Instant::after([before, self.now()], delay);
        let held = self.model.held(name);
        self.model.release(name);
        for message in self.model.messages.iter_mut().filter(|message| held.contains(&message.place)) {
            message.due = if delay == 0 { Instant::exact(Timestamp(0)) } else { due };
        }
        Ok(())
    }

    async fn delete(&mut self, position: u16) -> Result<(), Failure> {
        let Some(place) = self.model.messages.get(usize::from(position)).map(|message| message.place) else {
            return Ok(());
        };
        ensure_eq!(delete(&self.queue, vec![place], Guard::Any).await?, 1, "how many messages were deleted");
        self.model.remove(&[place]);
        Ok(())
    }

    async fn delete_claimed(&mut self, name: ClaimName) -> Result<(), Failure> {
        let held = self.model.held(name);
        let guard = Guard::Claim(name.id(self.queue.reference.id()));
        let deleted = delete(&self.queue, held.clone(), guard).await?;
        ensure_eq!(deleted, held.len(), "how many messages were deleted under their claim");
        self.model.remove(&held);
        Ok(())
    }

    async fn pop(&mut self, limit: u16) -> Result<(), Failure> {
        let popped = self.queue.pool().pop(&self.queue.call(), &self.queue.reference, limit.into()).await?;
        self.model.pass(popped.now);
        let free = self.model.free(popped.now, limit);
        ensure_eq!(numbers(&popped.messages), plain(&free), "the places of a pop");
        self.model.remove(&free);
        Ok(())
    }
}

/// Posts messages.
pub async fn post(queue: &Queue, count: u16, ttl: u32, delay: u32) -> Result<Vec<Place>, Failure> {
    let post = Post { messages: messages(&vec!["m"; count.into()], secs(ttl), secs(delay)), ..Post::default() };
    let places = queue.post_as(post).await?.places;
    ensure_eq!(places.len(), usize::from(count), "how many places a post was given");
    Ok(places)
}

/// What a claim asks for.
pub fn new_claim(queue: &Queue, name: ClaimName, limit: u16, ttl: u32) -> NewClaim {
    let id = name.id(queue.reference.id());
    NewClaim {
        id,
        limit: limit.into(),
        ttl: secs(ttl),
        grace: MINUTE,
        uncounted: false,
        extensions: Default::default(),
    }
}

/// Ends a claim.
pub async fn release(queue: &Queue, name: ClaimName, delay: u32) -> Result<(), Failure> {
    let release = Release { delay: secs(delay), ..Release::default() };
    let id = name.id(queue.reference.id());
    Ok(queue.pool().claim_release(&queue.call(), &queue.reference, id, release).await?)
}

/// Deletes messages, and says how many.
pub async fn delete(queue: &Queue, places: Vec<Place>, guard: Guard) -> Result<usize, Failure> {
    let delete = Delete { places, guard, ..Delete::default() };
    Ok(queue.pool().delete(&queue.call(), &queue.reference, delete).await?.count as usize)
}
