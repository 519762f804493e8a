//! What a queue tells the agenda and its watcher at the end of each visit.

use sukkal_plugin_sdk::{Lane, Timestamp};

use super::entry::State;
use super::queue::{Contents, Visit};

impl Visit<'_> {
    /// Ends the visit: tells the agenda and whoever watches. To be called before the lock goes.
    pub fn end(mut self) {
        if self.contents.removed {
            return;
        }
        self.enter_sweep();
        for lane in Lane::ALL {
            self.enter_lane(lane);
        }
        if self.contents.watched {
            self.enter_alarm();
            if self.stirred {
                self.pool.watch.hint(self.id);
            }
        }
    }

    /// Takes the queue out of the agenda.
    pub fn strike_out(&mut self) {
        self.strike_sweep();
        self.strike_alarm();
        for lane in Lane::ALL {
            self.strike_waking(lane);
            self.pool.agenda.lane(lane).ready.remove(&self.id);
        }
    }

    /// Clears the date of the queue's sweep, which has come: the visit's end enters the next one.
    pub fn strike_sweep(&mut self) {
        let date = std::mem::replace(&mut self.contents.entered.sweep, Timestamp::MAX);
        self.pool.agenda.sweeps().set(self.id, date, Timestamp::MAX);
    }

    /// The same for the queue's alarm.
    pub fn strike_alarm(&mut self) {
        let date = std::mem::replace(&mut self.contents.entered.alarm, Timestamp::MAX);
        self.pool.watch.set_alarm(self.id, date, Timestamp::MAX);
    }

    /// The same for what is delayed or claimed in a lane.
    pub fn strike_waking(&mut self, lane: Lane) {
        let date = std::mem::replace(&mut self.contents.entered.lanes[lane as usize].1, Timestamp::MAX);
        self.pool.agenda.lane(lane).waking.set(self.id, date, Timestamp::MAX);
    }

    fn enter_sweep(&mut self) {
        let next = self.contents.next_settling(self.now);
        let entered = &mut self.contents.entered.sweep;
        if next < *entered {
            self.pool.agenda.sweeps().set(self.id, *entered, next);
            *entered = next;
        }
    }

    fn enter_lane(&mut self, lane: Lane) {
        let entries = self.contents.lane(lane);
        let ready = !entries.in_state(State::Ready).is_empty();
        let waking = entries.first_wake().map_or(Timestamp::MAX, |first| first.0);
        let entered = &mut self.contents.entered.lanes[lane as usize];
        if ready == entered.0 && waking >= entered.1 {
            return;
        }
        let mut dates = self.pool.agenda.lane(lane);
        if ready {
            dates.ready.insert(self.id);
        } else {
            dates.ready.remove(&self.id);
        }
        dates.waking.set(self.id, entered.1, waking.min(entered.1));
        *entered = (ready, waking.min(entered.1));
    }

    fn enter_alarm(&mut self) {
        let wakes = Lane::ALL.into_iter().filter_map(|lane| self.contents.lane(lane).first_wake());
        let next = wakes.map(|first| first.0).min().unwrap_or(Timestamp::MAX);
        let entered = &mut self.contents.entered.alarm;
        if next < *entered {
            self.pool.watch.set_alarm(self.id, *entered, next);
            *entered = next;
        }
    }
}

impl Contents {
    /// When something in the queue falls due by itself.
    fn next_settling(&self, now: Timestamp) -> Timestamp {
        if self.recheck.is_some() || !self.parting.is_empty() {
            return now;
        }
        let dates = self.lanes.iter().flat_map(|entries| [entries.first_expiry(), entries.first_wake()]);
        let ends = [self.claims.first_end(), self.keys.first_end()];
        let moves = self.has_dead_letters().then_some(self.move_again);
        let dates = dates.flatten().map(|first| first.0).chain(ends.into_iter().flatten()).chain(moves);
        dates.min().unwrap_or(Timestamp::MAX)
    }
}
