//! Looks for a history that a store does not live through, and for the shortest that shows it.

use std::time::{Duration, Instant};

use super::Kind;
use super::draw::draw;
use super::shrink::Shrinking;
use super::step::{Step, tell};
use crate::conformance::{Effort, Failure};

/// How long a history is shrunk.
const PATIENCE: Duration = Duration::from_secs(30);

/// A search among the histories of a kind: [`Search::history`] proposes one, [`Search::told`] is told
/// what came of it, [`Search::verdict`] sums up.
pub struct Search {
    kind: Kind,
    /// Of the history that is looked at, or was shrunk.
    seed: u64,
    left: u32,
    /// How often a history is lived through before the next one is.
    tries: u32,
    /// How often the present one has passed.
    passed: u32,
    state: State,
}

enum State {
    Looking,
    Shrinking(Box<Found>),
    Ended(Result<(), Failure>),
}

/// A fault, and what is made of the history that shows it.
struct Found {
    shrinking: Shrinking,
    /// What the shortest history so far breaks.
    reason: String,
    /// How many steps the drawn history had.
    drawn: usize,
    since: Instant,
}

impl Search {
    /// Looks at as many histories as an effort says, from its seed on.
    pub fn new(kind: Kind, effort: &Effort) -> Search {
        let left = kind.histories(effort);
        // Who asks for a single one wants to see that one fail.
        let tries = if left == 1 { kind.tries().many } else { 1 };
        Search { kind, seed: effort.seed, left, tries, passed: 0, state: State::Looking }
    }

    /// The next history to live through; none: the search has ended.
    pub fn history(&mut self) -> Option<Vec<Step>> {
        match &mut self.state {
            State::Looking if self.left == 0 => None,
            State::Looking => Some(draw(self.kind, self.seed)),
            State::Shrinking(found) if found.since.elapsed() < PATIENCE => {
                let many = self.kind.tries().many;
                let candidate = found.shrinking.candidate();
                if candidate.is_none() && self.tries < many {
                    // Some that were given up may show it after all.
                    self.tries = many;
                    found.shrinking.again();
                    return found.shrinking.candidate();
                }
                candidate
            }
            State::Shrinking(_) | State::Ended(_) => None,
        }
    }

    /// What came of the last one.
    pub fn told(&mut self, history: Vec<Step>, outcome: Result<(), Failure>) {
        if outcome.is_ok() {
            self.passed += 1;
            if self.passed < self.tries {
                return;
            }
        }
        self.passed = 0;
        match (&mut self.state, outcome) {
            (State::Looking, Ok(())) => {
                self.left -= 1;
                self.seed = self.seed.wrapping_add(1);
            }
            (State::Looking, Err(Failure::Broken(reason))) => {
                let (drawn, since) = (history.len(), Instant::now());
                let shrinking = Shrinking::new(history);
                self.state = State::Shrinking(Box::new(Found { shrinking, reason, drawn, since }));
                self.tries = self.kind.tries().few;
            }
            (State::Shrinking(found), Ok(())) => found.shrinking.told(history, false),
            (State::Shrinking(found), Err(Failure::Broken(reason))) => {
                found.reason = reason;
                found.shrinking.told(history, true);
            }
            (State::Looking | State::Shrinking(_), Err(other)) => self.state = State::Ended(Err(other)),
            (State::Ended(_), _) => {}
        }
    }

    /// What all of them came to: the fault with its seed and the shortest history that shows it.
    ///
    /// # Errors
    /// There is a fault, or the store does not offer what the search is about.
    pub fn verdict(self) -> Result<(), Failure> {
        match self.state {
            State::Looking => Ok(()),
            State::Ended(outcome) => outcome,
            State::Shrinking(found) => {
                let Found { shrinking, reason, drawn, .. } = *found;
                let steps = shrinking.best();
                Err(Failure::Broken(format!(
                    "{reason}\nseed {}: {} of {drawn} steps show it{}\nagain: --case {} --seed {} --histories 1",
                    self.seed,
                    steps.len(),
                    tell(steps),
                    self.kind.name(),
                    self.seed
                )))
            }
        }
    }
}
