//! What was asked of the hosts about one queue, and what they acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::{Duration, Instant};

use super::claims::Claim;
use super::readings::Reading;

/// The number that a message carries in its body; given out once.
pub type Number = u64;

/// What becomes of messages that are claimed too often.
#[derive(Clone, Debug)]
pub struct Rule {
    /// So many claims a message may have.
    pub max_claims: u32,
    /// The queue that it goes to then.
    pub dead: String,
}

/// All that is known. Workers write down what they are about to do before they do it.
#[derive(Debug)]
pub struct Ledger {
    /// The queue that everybody works on.
    pub queue: String,
    pub rule: Option<Rule>,
    pub batches: Vec<Batch>,
    pub messages: HashMap<Number, Message>,
    pub claims: HashMap<String, Claim>,
    pub readings: Vec<Reading>,
    pub violations: Vec<String>,
    pub releases: u32,
    pub dead_letters: usize,
    /// Requests that nobody knows the outcome of.
    pub unsure: u32,
    /// Raised when the queue is to be deleted, and when it is: odd while nobody knows.
    pub(super) incarnation: u64,
    pub(super) ids: BTreeMap<String, Number>,
    /// When a message was first shown that sorts behind all that were shown before.
    pub(super) heads: Vec<(Instant, String)>,
    /// When the last deletion was answered.
    pub(super) reborn: Option<Instant>,
    /// Messages that the deletion takes which is under way.
    pub(super) going: Vec<Number>,
    begun: Instant,
}

/// One post.
#[derive(Debug)]
pub struct Batch {
    pub numbers: Range<Number>,
    /// Answered with 201, or seen by a reader: it is stored.
    pub stored: bool,
    pub(super) sent: Instant,
    pub(super) acknowledged: bool,
    /// A try of it was not answered, and may take effect at any time.
    pub(super) loose: bool,
}

/// One message.
#[derive(Debug)]
pub struct Message {
    pub batch: usize,
    /// Its id, once it was shown.
    pub id: Option<String>,
    /// Not to be claimed or listed before.
    pub due: Instant,
    /// Deletions that were asked for, and are not known to have done nothing.
    pub deletions: u32,
    /// When its deletion was acknowledged.
    pub deleted: Option<Instant>,
    /// Its queue was deleted while it was there or on its way.
    pub forfeit: bool,
    /// Claims on it whose release was asked for.
    pub releases_asked: u32,
    /// Claims on it whose release was acknowledged.
    pub claims_ended: u32,
    /// Claims that it was given to.
    pub(super) holds: Vec<String>,
}

impl Message {
    /// Whether nobody has asked for its end.
    pub fn is_wanted(&self) -> bool {
        self.deletions == 0 && self.deleted.is_none() && !self.forfeit
    }
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

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger::of("queue", None)
    }
}

impl Ledger {
    /// Of a queue on which nothing has happened.
    pub fn of(queue: &str, rule: Option<Rule>) -> Ledger {
        Ledger {
            queue: queue.to_owned(),
            rule,
            batches: Vec::new(),
            messages: HashMap::new(),
            claims: HashMap::new(),
            readings: Vec::new(),
            violations: Vec::new(),
            releases: 0,
            dead_letters: 0,
            unsure: 0,
            incarnation: 0,
            ids: BTreeMap::new(),
            heads: Vec::new(),
            reborn: None,
            going: Vec::new(),
            begun: Instant::now(),
        }
    }

    /// Writes down a broken promise, and when it showed.
    pub fn broken(&mut self, what: String) {
        self.violations.push(format!("{:.3} s, {}: {what}", self.begun.elapsed().as_secs_f64(), self.queue));
    }

    /// A batch of so many messages is about to be posted.
    pub fn posting(&mut self, n_messages: u64, delay: Duration) -> Range<Number> {
        let first = self.batches.last().map_or(0, |batch| batch.numbers.end);
        let numbers = first..first + n_messages;
        let sent = Instant::now();
        for number in numbers.clone() {
            let message = Message {
                batch: self.batches.len(),
                id: None,
                due: sent + delay,
                deletions: 0,
                deleted: None,
                forfeit: self.is_being_deleted(),
                releases_asked: 0,
                claims_ended: 0,
                holds: Vec::new(),
            };
            self.messages.insert(number, message);
        }
        self.batches.push(Batch { numbers: numbers.clone(), stored: false, sent, acknowledged: false, loose: false });
        numbers
    }

    /// The batch was answered with 201 and these ids.
    pub fn posted(&mut self, numbers: Range<Number>, ids: Vec<String>) {
        if ids.len() as u64 != numbers.end - numbers.start {
            self.broken(format!("a post of {numbers:?} got {} ids", ids.len()));
        }
        if let Some(batch) = self.batch_of(numbers.start) {
            batch.acknowledged = true;
        }
        for (number, id) in numbers.zip(ids) {
            self.shown(number, &id);
            self.check_readers_of(number, &id);
        }
    }

    /// A try to post the batch was not answered.
    pub fn unanswered(&mut self, numbers: &Range<Number>) {
        if let Some(batch) = self.batch_of(numbers.start) {
            batch.loose = true;
        }
    }

    /// The batch is about to be posted once more, although it was answered; `false`: its queue is another.
    pub fn may_come_again(&mut self, numbers: &Range<Number>) -> bool {
        let there = self.messages.get(&numbers.start).is_some_and(|message| !message.forfeit);
        if there {
            self.unanswered(numbers);
        }
        there
    }

    fn batch_of(&mut self, number: Number) -> Option<&mut Batch> {
        let batch = self.messages.get(&number)?.batch;
        self.batches.get_mut(batch)
    }

    /// A reader was shown the message, wherever, or its post was acknowledged: its batch is stored.
    pub fn seen(&mut self, number: Number) {
        match self.batch_of(number) {
            Some(batch) => batch.stored = true,
            None => self.broken(format!("message {number} was never posted")),
        }
    }

    /// The message was shown in its queue under this id: it has no other, and its place was none that
    /// somebody had passed before it was posted.
    pub fn shown(&mut self, number: Number, id: &str) {
        self.seen(number);
        let Some(message) = self.messages.get_mut(&number).filter(|message| !message.forfeit) else { return };
        if let Some(known) = &message.id {
            if known != id {
                let text = format!("message {number} is stored twice, as {known} and as {id}");
                self.broken(text);
            }
            return;
        }
        message.id = Some(id.to_owned());
        let sent = self.batches[message.batch].sent;
        let before = self.heads.partition_point(|(shown, _)| *shown < sent);
        if let Some((_, head)) = before.checked_sub(1).and_then(|at| self.heads.get(at))
            && head.as_str() >= id
        {
            let text = format!("message {number} ({id}) was posted after {head} was shown, and sorts before it");
            self.broken(text);
        }
        if self.heads.last().is_none_or(|(_, head)| head.as_str() < id) {
            self.heads.push((Instant::now(), id.to_owned()));
        }
        self.ids.insert(id.to_owned(), number);
    }

    /// The deletion of a message is about to be asked for.
    pub fn deleting(&mut self, number: Number) {
        self.messages.entry(number).and_modify(|message| message.deletions += 1);
    }

    /// The deletion was answered: it is done, or nothing is.
    pub fn deleted(&mut self, number: Number, done: bool) {
        let Some(message) = self.messages.get_mut(&number) else { return };
        match done {
            // It may have been another one, of the queue that was there before.
            true if message.forfeit => {}
            true => message.deleted = Some(Instant::now()),
            false => message.deletions -= 1,
        }
    }

    /// Whether the message must be there now.
    pub fn must_exist(&self, message: &Message) -> bool {
        self.batches[message.batch].stored && message.is_wanted()
    }

    /// Whether the message may be absent from its queue.
    pub(super) fn may_be_absent(&self, message: &Message) -> bool {
        !message.is_wanted() || self.rule.as_ref().is_some_and(|rule| message.releases_asked >= rule.max_claims)
    }

    /// Sums.
    pub fn counts(&self) -> Counts {
        let stored = |stored: bool| {
            let batches = self.batches.iter().filter(|batch| batch.stored == stored);
            batches.map(|batch| batch.numbers.end - batch.numbers.start).sum()
        };
        let deleted = self.messages.values().filter(|message| message.deleted.is_some()).count();
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

    fn post(ledger: &mut Ledger, ids: &[&str]) {
        let numbers = ledger.posting(ids.len() as u64, Duration::ZERO);
        ledger.posted(numbers, ids.iter().map(|id| (*id).to_owned()).collect());
    }

    #[test]
    fn what_is_posted_later_sorts_behind() {
        let mut ledger = Ledger::default();
        post(&mut ledger, &["b", "c"]);
        let on_its_way = ledger.posting(1, Duration::ZERO);
        post(&mut ledger, &["e"]);
        ledger.posted(on_its_way, vec!["d".to_owned()]);
        assert!(ledger.violations.is_empty(), "two at once may have either order: {:?}", ledger.violations);
        post(&mut ledger, &["dd"]);
        assert_eq!(ledger.violations.len(), 1);
    }

    #[test]
    fn what_is_stored_twice_is_noticed_by_its_ids() {
        let mut ledger = Ledger::default();
        post(&mut ledger, &["a"]);
        ledger.shown(0, "a");
        assert!(ledger.violations.is_empty());
        ledger.shown(0, "b");
        assert_eq!(ledger.violations.len(), 1);
    }
}
