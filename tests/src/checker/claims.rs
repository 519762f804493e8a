//! Claims: no message is in two that live.

use std::time::{Duration, Instant};

use super::ledger::{Ledger, Message, Number};

/// Two clocks, the store's and ours, and a store that counts in milliseconds.
const TOLERANCE: Duration = Duration::from_millis(50);

/// A claim that was answered with 201. A host may have stood still before it answered: the claim lived
/// for certain from its answer to when its ttl after its request had passed, and that may be never.
#[derive(Debug)]
pub struct Claim {
    /// What it was given.
    pub numbers: Vec<Number>,
    pub(super) answered: Instant,
    /// It lives at least until then.
    pub until: Instant,
}

impl Claim {
    /// Whether it lives now.
    pub fn lives(&self) -> bool {
        self.until > Instant::now()
    }

    /// How long both lived at the same time, at the least.
    fn beside(&self, other: &Claim) -> Option<Duration> {
        let (from, until) = (self.answered.max(other.answered), self.until.min(other.until));
        until.checked_duration_since(from).filter(|both| !both.is_zero())
    }
}

impl Ledger {
    /// A claim was answered; each of its messages must have been free, due and not deleted.
    pub fn claimed(&mut self, id: &str, held: &[(Number, String)], asked: Instant, ttl: Duration) {
        let numbers = held.iter().map(|(number, _)| *number).collect();
        let answered = Instant::now();
        // One of a queue that was deleted meanwhile may have ended with it.
        let gone = self.is_being_deleted() || self.reborn.is_some_and(|reborn| asked < reborn);
        let claim = Claim { numbers, answered, until: if gone { answered } else { (asked + ttl) - TOLERANCE } };
        for (number, message_id) in held {
            self.shown(*number, message_id);
            let fault = self.messages.get(number).and_then(|message| self.why_not_claimable(message, &claim, asked));
            if let Some(fault) = fault {
                self.broken(format!("claim {id} was given message {number}, {fault}"));
            }
            if let Some(message) = self.messages.get_mut(number) {
                message.holds.push(id.to_owned());
            }
        }
        self.claims.insert(id.to_owned(), claim);
    }

    fn why_not_claimable(&self, message: &Message, claim: &Claim, asked: Instant) -> Option<String> {
        for holder in &message.holds {
            if let Some(both) = self.claims.get(holder).and_then(|other| other.beside(claim)) {
                return Some(format!("which claim {holder} held as well, for {both:?} at the least"));
            }
        }
        if message.deleted.is_some_and(|deleted| deleted < asked) {
            return Some("which was deleted".into());
        }
        if self.rule.as_ref().is_some_and(|rule| message.claims_ended >= rule.max_claims) {
            return Some("which has used up its claims".into());
        }
        let early = message.due.saturating_duration_since(Instant::now());
        (early > TOLERANCE).then(|| format!("which is delayed for {early:?} more"))
    }

    /// A claim was renewed for so long.
    pub fn renewed(&mut self, id: &str, asked: Instant, ttl: Duration) {
        if let Some(claim) = self.claims.get_mut(id).filter(|claim| claim.lives()) {
            claim.until = claim.until.max((asked + ttl) - TOLERANCE);
        }
    }

    /// Somebody was told that a claim has ended.
    pub fn told_ended(&mut self, id: &str, answer: &str) {
        if self.claims.get(id).is_some_and(Claim::lives) {
            self.broken(format!("claim {id} lives, and is said to have ended: {answer}"));
        }
    }

    /// A claim is about to be released.
    pub fn releasing(&mut self, id: &str) {
        self.releases += 1;
        if let Some(claim) = self.claims.get_mut(id) {
            claim.until = claim.until.min(Instant::now());
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn ledger_with(n_messages: u64, delay: Duration) -> Ledger {
        let mut ledger = Ledger::default();
        let numbers = ledger.posting(n_messages, delay);
        ledger.posted(numbers.clone(), numbers.map(id).collect());
        ledger
    }

    fn id(number: Number) -> String {
        format!("id{number}")
    }

    fn claim(ledger: &mut Ledger, claim: &str, number: Number, asked: Instant) {
        ledger.claimed(claim, &[(number, id(number))], asked, LONG);
    }

    #[test]
    fn a_message_in_two_live_claims_is_noticed() {
        let mut ledger = ledger_with(2, Duration::ZERO);
        claim(&mut ledger, "c1", 0, Instant::now());
        claim(&mut ledger, "c2", 1, Instant::now());
        assert!(ledger.violations.is_empty());
        claim(&mut ledger, "c3", 0, Instant::now());
        assert_eq!(ledger.violations.len(), 1);
    }

    #[test]
    fn a_released_message_may_be_claimed_again() {
        let mut ledger = ledger_with(1, Duration::ZERO);
        claim(&mut ledger, "c1", 0, Instant::now());
        ledger.releasing("c1");
        claim(&mut ledger, "c2", 0, Instant::now());
        assert!(ledger.violations.is_empty());
    }

    #[test]
    fn a_claim_that_is_answered_late_may_have_ended_by_then() {
        let mut ledger = ledger_with(1, Duration::ZERO);
        claim(&mut ledger, "c1", 0, Instant::now());
        let Some(long_ago) = Instant::now().checked_sub(LONG) else { return };
        claim(&mut ledger, "c2", 0, long_ago);
        assert!(ledger.violations.is_empty());
    }

    #[test]
    fn a_claim_that_ends_before_its_time_is_noticed() {
        let mut ledger = ledger_with(1, Duration::ZERO);
        claim(&mut ledger, "c1", 0, Instant::now());
        ledger.told_ended("c1", "400");
        assert_eq!(ledger.violations.len(), 1);
        ledger.releasing("c1");
        ledger.told_ended("c1", "400");
        assert_eq!(ledger.violations.len(), 1);
    }

    #[test]
    fn what_is_deleted_delayed_or_unknown_is_not_given_out() {
        let mut ledger = ledger_with(1, LONG);
        claim(&mut ledger, "c1", 0, Instant::now());
        assert_eq!(ledger.violations.len(), 1);
        let mut ledger = ledger_with(1, Duration::ZERO);
        let before = Instant::now();
        ledger.deleting(0);
        ledger.deleted(0, true);
        claim(&mut ledger, "late", 0, before);
        assert!(ledger.violations.is_empty(), "it was given out first, and answered last");
        ledger.releasing("late");
        claim(&mut ledger, "c1", 0, Instant::now());
        claim(&mut ledger, "c1", 7, Instant::now());
        assert_eq!(ledger.violations.len(), 2);
    }
}
