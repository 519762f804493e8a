//! The requests of a connection that are not answered yet, in the order in which they came.

use std::collections::VecDeque;

use super::order::Footprint;

/// Names a request of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// Requests as `W`, until they begin; answers as `A`, until those before them are there.
#[derive(Debug)]
pub struct Line<W, A> {
    /// The number of the first that is in line.
    first: u64,
    slots: VecDeque<(Footprint, State<W, A>)>,
    n_waiting: usize,
}

#[derive(Debug)]
enum State<W, A> {
    Waiting(W),
    Running,
    Answered(A),
}

impl<W, A> Default for Line<W, A> {
    fn default() -> Self {
        Line { first: 0, slots: VecDeque::new(), n_waiting: 0 }
    }
}

impl<W, A> Line<W, A> {
    /// How many are in line.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes in a request behind all others.
    pub fn push(&mut self, footprint: Footprint, work: W) {
        self.slots.push_back((footprint, State::Waiting(work)));
        self.n_waiting += 1;
    }

    /// Lets the first begin that may; so again until there is none. Without `overtaking` that is the
    /// first in line alone.
    pub fn begin(&mut self, overtaking: bool) -> Option<(Ticket, W)> {
        if self.n_waiting == 0 {
            return None;
        }
        let n_asked = if overtaking { self.slots.len() } else { 1 };
        let index = (0..n_asked).find(|index| self.may_begin(*index))?;
        let (_, state) = self.slots.get_mut(index)?;
        self.n_waiting -= 1;
        match std::mem::replace(state, State::Running) {
            State::Waiting(work) => Some((Ticket(self.first + index as u64), work)),
            State::Running | State::Answered(_) => None,
        }
    }

    fn may_begin(&self, index: usize) -> bool {
        let (own, state) = &self.slots[index];
        let mut before = self.slots.iter().take(index).filter(|(_, state)| !matches!(state, State::Answered(_)));
        matches!(state, State::Waiting(_)) && !before.any(|(earlier, _)| earlier.precedes(*own))
    }

    /// Notes the answer to one that has begun.
    pub fn answer(&mut self, ticket: Ticket, answer: A) {
        let index = usize::try_from(ticket.0 - self.first).unwrap_or(usize::MAX);
        if let Some((_, state)) = self.slots.get_mut(index) {
            *state = State::Answered(answer);
        }
    }

    /// The next answer that may be given: that of the first in line.
    pub fn leave(&mut self) -> Option<A> {
        if !matches!(self.slots.front(), Some((_, State::Answered(_)))) {
            return None;
        }
        self.first += 1;
        match self.slots.pop_front() {
            Some((_, State::Answered(answer))) => Some(answer),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sukkal_plugin_sdk::{Action, Request, RequestId, Target, Transport};

    use super::*;

    fn footprint(action: Action, queue: &str) -> Footprint {
        let mut request = Request::new(RequestId(1), action, Transport::Websocket);
        request.set_target(Target { queue: queue.to_owned(), ..Target::default() });
        Footprint::of(&request)
    }

    #[test]
    fn answers_leave_in_the_order_of_the_requests() {
        let mut line = Line::default();
        for (queue, name) in [("a", 1), ("b", 2), ("a", 3)] {
            line.push(footprint(Action::ClaimCreate, queue), name);
        }
        let (first, one) = line.begin(true).unwrap();
        let (second, two) = line.begin(true).unwrap();
        assert_eq!((one, two), (1, 2));
        assert!(line.begin(true).is_none(), "the third waits for the first");
        line.push(footprint(Action::ClaimCreate, "c"), 4);
        assert!(line.begin(false).is_none(), "the fourth would overtake the third");
        line.answer(second, 2);
        assert_eq!(line.leave(), None);
        line.answer(first, 1);
        let (third, _) = line.begin(true).unwrap();
        assert_eq!((line.leave(), line.leave(), line.leave()), (Some(1), Some(2), None));
        line.answer(third, 3);
        assert_eq!((line.leave(), line.len()), (Some(3), 1));
        assert_eq!(line.begin(false).map(|(_, fourth)| fourth), Some(4), "it is the first now");
    }

    proptest! {
        /// Whatever ends first: each request runs once, never beside one that must have ended before,
        /// and all answers leave in order.
        #[test]
        fn any_history_keeps_the_order(requests in proptest::collection::vec((0_usize..5, 0_usize..3), 1..40), choices in proptest::collection::vec(any::<prop::sample::Index>(), 40)) {
            let actions = [Action::MessagePost, Action::ClaimCreate, Action::MessageList, Action::QueueList, Action::Ping];
            let queues = ["a", "b", "c"];
            let mut line = Line::default();
            let prints: Vec<_> = requests.iter().map(|(action, queue)| {
                let queue = if *action < 3 { queues[*queue] } else { "" };
                footprint(actions[*action], queue)
            }).collect();
            prints.iter().enumerate().for_each(|(number, print)| line.push(*print, number));
            let (mut running, mut left, mut ended) = (Vec::new(), Vec::new(), vec![false; prints.len()]);
            for choice in choices {
                while let Some((ticket, number)) = line.begin(choice.index(2) == 0) {
                    for earlier in 0..number {
                        prop_assert!(ended[earlier] || !prints[earlier].precedes(prints[number]));
                    }
                    running.push((ticket, number));
                }
                if running.is_empty() { break }
                let (ticket, number) = running.swap_remove(choice.index(running.len()));
                ended[number] = true;
                line.answer(ticket, number);
                left.extend(std::iter::from_fn(|| line.leave()));
            }
            prop_assert_eq!(left, (0..prints.len()).collect::<Vec<_>>());
        }
    }
}
