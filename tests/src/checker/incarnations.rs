//! Queues that are deleted and made anew.
//!
//! Between a deletion's request and its answer nobody knows which of the two queues a request meets;
//! what was there or on its way by then is excused from all but this: what had been stored before the
//! request is not there any more after the answer.

use std::time::Instant;

use super::ledger::Ledger;

impl Ledger {
    /// Whether the deletion of the queue was asked for, and not answered yet.
    pub fn is_being_deleted(&self) -> bool {
        self.incarnation % 2 == 1
    }

    /// The deletion of the queue is about to be asked for. Whoever asks repeats it until it is answered.
    pub fn deleting_queue(&mut self) {
        self.incarnation += 1;
        for (number, message) in &mut self.messages {
            let batch = &self.batches[message.batch];
            // A try without an answer can still come, to the new queue, which knows of no key and no deletion.
            if batch.loose {
                message.deleted = None;
            }
            if std::mem::replace(&mut message.forfeit, true) {
                continue;
            }
            if batch.acknowledged && !batch.loose && message.deleted.is_none() {
                self.going.push(*number);
            }
        }
        let now = Instant::now();
        for claim in self.claims.values_mut() {
            claim.until = claim.until.min(now);
        }
        self.forget_places();
    }

    /// The deletion was acknowledged: what is posted from here on is in a new queue.
    pub fn deleted_queue(&mut self) {
        self.incarnation += 1;
        let now = Instant::now();
        self.reborn = Some(now);
        for number in std::mem::take(&mut self.going) {
            self.messages.entry(number).and_modify(|message| message.deleted = Some(now));
        }
        self.forget_places();
    }

    fn forget_places(&mut self) {
        self.ids.clear();
        self.heads.clear();
        for reading in &mut self.readings {
            reading.marker = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn post(ledger: &mut Ledger, id: &str) {
        let numbers = ledger.posting(1, Duration::ZERO);
        ledger.posted(numbers, vec![id.to_owned()]);
    }

    fn show(ledger: &mut Ledger, number: u64, id: &str) -> usize {
        let ask = ledger.asking(0);
        ledger.page(&ask, &[(number, id.to_owned())]);
        ledger.violations.len()
    }

    #[test]
    fn a_new_queue_has_places_of_its_own_and_nothing_of_the_old() {
        let mut ledger = Ledger::default();
        ledger.reader();
        post(&mut ledger, "x1");
        let on_its_way = ledger.posting(1, Duration::ZERO);
        ledger.deleting_queue();
        ledger.posted(on_its_way, vec!["x2".to_owned()]);
        assert_eq!(show(&mut ledger, 0, "x1"), 0, "it may not have happened yet");
        ledger.deleted_queue();
        post(&mut ledger, "a1");
        assert_eq!(show(&mut ledger, 2, "a1"), 0, "the new queue's ids may sort before the old one's");
        assert_eq!(show(&mut ledger, 1, "a2"), 0, "a post on its way may be in the new queue");
        assert_eq!(show(&mut ledger, 0, "a3"), 1, "what was stored before is gone");
    }

    #[test]
    fn a_claim_of_the_old_queue_may_have_ended_with_it() {
        let mut ledger = Ledger::default();
        post(&mut ledger, "x1");
        let claim = |ledger: &mut Ledger, id: &str, asked| {
            ledger.claimed(id, &[(0, "x1".to_owned())], asked, Duration::from_secs(60));
            ledger.told_ended(id, "404");
            ledger.violations.len()
        };
        ledger.deleting_queue();
        let asked = Instant::now();
        assert_eq!(claim(&mut ledger, "c1", asked), 0);
        ledger.deleted_queue();
        assert_eq!(claim(&mut ledger, "c2", asked), 0);
    }

    #[test]
    fn a_post_that_was_tried_in_vain_can_still_come() {
        let mut ledger = Ledger::default();
        ledger.reader();
        let numbers = ledger.posting(1, Duration::ZERO);
        ledger.unanswered(&numbers);
        ledger.posted(numbers, vec!["x1".to_owned()]);
        ledger.deleting_queue();
        ledger.deleted_queue();
        assert_eq!(show(&mut ledger, 0, "a1"), 0);
    }

    #[test]
    fn what_is_deleted_by_its_old_id_may_be_in_the_new_queue() {
        let mut ledger = Ledger::default();
        ledger.reader();
        ledger.deleting_queue();
        let numbers = ledger.posting(1, Duration::ZERO);
        ledger.unanswered(&numbers);
        ledger.deleting(0);
        ledger.deleted(0, true);
        ledger.posted(numbers, vec!["a1".to_owned()]);
        ledger.deleted_queue();
        assert_eq!(show(&mut ledger, 0, "a1"), 0);
    }
}
