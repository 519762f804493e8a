//! What was asked of the host, and what it acknowledged.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::MAX_CLAIMS;

/// Two clocks, the host's and ours, and a host that counts in milliseconds.
const TOLERANCE: Duration = Duration::from_millis(50);

/// The number that a message carries in its body; given out once.
pub type Number = u64;

/// All that is known. Workers write down what they are about to do before they do it.
#[derive(Debug, Default)]
pub struct Ledger {
    pub batches: Vec<Batch>,
    pub messages: HashMap<Number, Message>,
    pub claims: HashMap<String, Claim>,
    pub violations: Vec<String>,
    pub releases: u32,
    pub dead_letters: usize,
}

/// One post.
#[derive(Debug)]
pub struct Batch {
    pub numbers: std::ops::Range<Number>,
    /// Answered with 201, or seen by a reader: it is stored.
    pub stored: bool,
}

/// One message.
#[derive(Debug)]
pub struct Message {
    pub batch: usize,
    pub id: Option<String>,
    /// Not to be claimed or listed before.
    pub due: Instant,
    pub deletion: Deletion,
    /// Claims on it whose release was asked for.
    pub releases_asked: u32,
    /// Claims on it whose release was acknowledged.
    pub claims_ended: u32,
    holder: Option<String>,
}

/// How far the deletion of a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    NotAsked,
    Asked,
    Acknowledged,
}

/// A claim that was answered with 201.
#[derive(Debug)]
pub struct Claim {
    pub numbers: Vec<Number>,
    /// It lives at least until then.
    pub until: Instant,
    /// Its release was asked for.
    pub ended: bool,
}

/// Sums for the summary.
#[derive(Debug, Default)]
pub struct Counts {
    pub acknowledged: u64,
    pub unanswered: u64,
    pub deleted: u64,
    pub claims: usize,
    pub releases: u32,
    pub dead_letters: usize,
}

impl Ledger {
    /// A batch of so many messages is about to be posted.
    pub fn posting(&mut self, n_messages: u64, delay: Duration) -> std::ops::Range<Number> {
        let first = self.batches.last().map_or(0, |batch| batch.numbers.end);
        let numbers = first..first + n_messages;
        let due = Instant::now() + delay;
        for number in numbers.clone() {
            let message = Message {
                batch: self.batches.len(),
                id: None,
                due,
                deletion: Deletion::NotAsked,
                releases_asked: 0,
                claims_ended: 0,
                holder: None,
            };
            self.messages.insert(number, message);
        }
        self.batches.push(Batch { numbers: numbers.clone(), stored: false });
        numbers
    }

    /// The batch was answered with 201 and these ids.
    pub fn posted(&mut self, numbers: std::ops::Range<Number>, ids: Vec<String>) {
        if ids.len() as u64 != numbers.end - numbers.start {
            self.violations.push(format!("a post of {numbers:?} got {} ids", ids.len()));
        }
        for (number, id) in numbers.zip(ids) {
            if let Some(message) = self.messages.get_mut(&number) {
                message.id = Some(id);
            }
            self.seen(number);
        }
    }

    /// A reader was shown the message, or its post was acknowledged: its batch is stored.
    pub fn seen(&mut self, number: Number) {
        match self.messages.get(&number) {
            Some(message) => self.batches[message.batch].stored = true,
            None => self.violations.push(format!("message {number} was never posted")),
        }
    }

    /// A claim was answered; each of its messages must have been free, due and not deleted.
    pub fn claimed(&mut self, id: &str, numbers: Vec<Number>, asked: Instant, ttl: Duration) {
        for number in &numbers {
            self.seen(*number);
            let fault = self.messages.get(number).and_then(|message| self.why_not_claimable(message));
            if let Some(fault) = fault {
                self.violations.push(format!("claim {id} was given message {number}, {fault}"));
            }
            if let Some(message) = self.messages.get_mut(number) {
                message.holder = Some(id.to_owned());
            }
        }
        self.claims.insert(id.to_owned(), Claim { numbers, until: asked + ttl, ended: false });
    }

    fn why_not_claimable(&self, message: &Message) -> Option<String> {
        let holder = message.holder.as_ref().and_then(|holder| Some((holder, self.claims.get(holder)?)));
        match holder {
            Some((holder, claim)) if !claim.ended && claim.until > Instant::now() => {
                return Some(format!("which the live claim {holder} holds"));
            }
            _ => {}
        }
        if message.deletion == Deletion::Acknowledged {
            return Some("which was deleted".into());
        }
        if message.claims_ended >= MAX_CLAIMS {
            return Some("which has used up its claims".into());
        }
        let early = message.due.saturating_duration_since(Instant::now());
        (early > TOLERANCE).then(|| format!("which is delayed for {early:?} more"))
    }

    /// A deletion is about to be asked for, or was acknowledged.
    pub fn deletion(&mut self, number: Number, state: Deletion) {
        if let Some(message) = self.messages.get_mut(&number) {
            message.deletion = state;
        }
    }

    /// A claim is about to be released.
    pub fn releasing(&mut self, id: &str) {
        self.releases += 1;
        if let Some(claim) = self.claims.get_mut(id) {
            claim.ended = true;
            for number in &claim.numbers {
                self.messages.entry(*number).and_modify(|message| message.releases_asked += 1);
            }
        }
    }

    /// The release of a claim was acknowledged.
    pub fn released(&mut self, id: &str) {
        for number in self.claims.get(id).into_iter().flat_map(|claim| &claim.numbers) {
            self.messages.entry(*number).and_modify(|message| message.claims_ended += 1);
        }
    }

    /// Whether the message must be there now.
    pub fn must_exist(&self, message: &Message) -> bool {
        self.batches[message.batch].stored && message.deletion == Deletion::NotAsked
    }

    /// Sums.
    pub fn counts(&self) -> Counts {
        let stored = |stored: bool| {
            let batches = self.batches.iter().filter(|batch| batch.stored == stored);
            batches.map(|batch| batch.numbers.end - batch.numbers.start).sum()
        };
        let deleted = self.messages.values().filter(|message| message.deletion == Deletion::Acknowledged).count();
        Counts {
            acknowledged: stored(true),
            unanswered: stored(false),
            deleted: deleted as u64,
            claims: self.claims.len(),
            releases: self.releases,
            dead_letters: self.dead_letters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn ledger_with(n_messages: u64, delay: Duration) -> Ledger {
        let mut ledger = Ledger::default();
        let numbers = ledger.posting(n_messages, delay);
        ledger.posted(numbers.clone(), numbers.map(|number| format!("id{number}")).collect());
        ledger
    }

    #[test]
    fn a_message_in_two_live_claims_is_noticed() {
        let mut ledger = ledger_with(2, Duration::ZERO);
        ledger.claimed("c1", vec![0], Instant::now(), LONG);
        ledger.claimed("c2", vec![1], Instant::now(), LONG);
        assert!(ledger.violations.is_empty());
        ledger.claimed("c3", vec![0], Instant::now(), LONG);
        assert_eq!(ledger.violations.len(), 1);
    }

    #[test]
    fn a_released_message_may_be_claimed_again() {
        let mut ledger = ledger_with(1, Duration::ZERO);
        ledger.claimed("c1", vec![0], Instant::now(), LONG);
        ledger.releasing("c1");
        ledger.claimed("c2", vec![0], Instant::now(), LONG);
        assert!(ledger.violations.is_empty());
    }

    #[test]
    fn what_is_deleted_delayed_or_unknown_is_not_given_out() {
        let mut ledger = ledger_with(1, LONG);
        ledger.claimed("c1", vec![0], Instant::now(), LONG);
        assert_eq!(ledger.violations.len(), 1);
        let mut ledger = ledger_with(1, Duration::ZERO);
        ledger.deletion(0, Deletion::Acknowledged);
        ledger.claimed("c1", vec![0, 7], Instant::now(), LONG);
        assert_eq!(ledger.violations.len(), 2);
    }
}
