//! Posts that come over one connection without waiting for each other's answers: those to one queue
//! are stored in the order in which they came, and as many as are there at a time in one call.
//!
//! Pools promise no order among calls in flight. So one such post at a time, the leader, calls the pool,
//! and takes along those that stand behind it; the first that came too late for that leads next.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::{MessageId, NewMessage, Post};
use tokio::sync::oneshot;

use crate::error::Error;

/// What the leader and those whom it takes along have at most, in messages and in bytes of bodies: what
/// any pool takes at once.
const MAX_MESSAGES: usize = 1_000;
const MAX_BYTES: usize = 1024 * 1024;

/// The posts of one connection.
#[derive(Clone, Debug, Default)]
pub struct PostOrder(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    by_queue: HashMap<Arc<str>, Line>,
    /// How many places were given. No line begins with a ticket that one before it has given: who waits no more may
    /// leave when that is gone.
    n_given: u64,
}

/// A post's place among those of its connection to its queue. It is given up when dropped.
#[derive(Debug)]
pub struct Turn {
    order: PostOrder,
    queue: Arc<str>,
    ticket: u64,
    is_left: AtomicBool,
}

/// The posts to one queue, in their order.
#[derive(Debug, Default)]
struct Line {
    /// The ticket of the first that is in line.
    first: u64,
    slots: VecDeque<Slot>,
    leader: Option<u64>,
}

/// How far a post is.
#[derive(Debug)]
enum Slot {
    /// It may still be refused.
    Coming,
    /// It wants to be stored.
    Ready(Box<Ready>),
    /// It leads, or is taken along.
    Taken,
    /// It is stored, or will not be.
    Left,
}

/// A post that wants to be stored.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Whose queue it is for.
    project: String,
    post: Post,
    /// It was taken along in vain before.
    alone: bool,
    told: oneshot::Sender<Told>,
}

/// What a post is told that wants to be stored.
#[derive(Debug)]
pub(crate) enum Told {
    /// It is the first of those there; `alone`: it should take nobody along.
    Lead { post: Post, alone: bool },
    /// It was taken along: these are its ids, or why it failed.
    Done(Result<Vec<MessageId>, Error>),
}

/// Those whom a leader takes along.
#[derive(Default)]
pub(crate) struct Followers(Vec<(u64, Box<Ready>)>);

impl PostOrder {
    /// The next place among the posts to a queue.
    pub fn turn(&self, queue: &str) -> Turn {
        let mut lines = self.lock();
        let Lines { by_queue, n_given } = &mut *lines;
        let queue = by_queue.get_key_value(queue).map_or_else(|| Arc::from(queue), |(known, _)| known.clone());
        let line = by_queue.entry(queue.clone()).or_insert_with(|| Line { first: *n_given, ..Line::default() });
        let ticket = line.first + line.slots.len() as u64;
        line.slots.push_back(Slot::Coming);
        *n_given += 1;
        Turn { order: self.clone(), queue, ticket, is_left: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Says that the post wants to be stored, and waits until it is told to lead or what came of it.
    /// `None`: the one that took it along ended without a word.
    pub(crate) async fn told(&self, project: &str, post: Post) -> Option<Told> {
        let (told, tell) = oneshot::channel();
        self.with_line(|line, ticket| {
            let ready = Ready { project: project.to_owned(), post, alone: false, told };
            line.set(ticket, Slot::Ready(Box::new(ready)));
            line.promote();
        });
        tell.await.ok()
    }

    /// Takes along those that stand directly behind this one, and fit its post: the same client's to the
    /// same queue.
    pub(crate) fn followers(&self, project: &str, post: &Post) -> Followers {
        self.with_line(|line, ticket| line.take_behind(ticket, project, post)).unwrap_or_default()
    }

    /// Puts them back, since they could not be stored together: each is stored alone.
    pub(crate) fn put_back(&self, followers: Followers) {
        self.with_line(|line, _| {
            for (ticket, mut ready) in followers.0 {
                ready.alone = true;
                // One that has left meanwhile waits for nothing.
                if line.index(ticket).is_some_and(|index| matches!(line.slots[index], Slot::Taken)) {
                    line.set(ticket, Slot::Ready(ready));
                }
            }
        });
    }

    /// Lets the next one lead: this one is stored, or will not be.
    pub(crate) fn leave(&self) {
        if !self.is_left.swap(true, Ordering::Relaxed) {
            self.with_line(Line::leave);
        }
    }

    fn with_line<T>(&self, change: impl FnOnce(&mut Line, u64) -> T) -> Option<T> {
        let mut lines = self.order.lock();
        let line = lines.by_queue.get_mut(&*self.queue)?;
        let changed = change(line, self.ticket);
        if line.slots.is_empty() {
            lines.by_queue.remove(&*self.queue);
        }
        Some(changed)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Line {
    fn index(&self, ticket: u64) -> Option<usize> {
        usize::try_from(ticket.checked_sub(self.first)?).ok().filter(|index| *index < self.slots.len())
    }

    fn set(&mut self, ticket: u64, slot: Slot) {
        if let Some(index) = self.index(ticket) {
            self.slots[index] = slot;
        }
    }

    fn leave(&mut self, ticket: u64) {
        self.set(ticket, Slot::Left);
        if self.leader == Some(ticket) {
            self.leader = None;
        }
        self.promote();
    }

    /// Lets the first lead, if it is ready and nobody does.
    fn promote(&mut self) {
        while self.leader.is_none() {
            match self.slots.front_mut() {
                Some(Slot::Left) => {
                    self.slots.pop_front();
                    self.first += 1;
                }
                Some(front @ Slot::Ready(_)) => {
                    if let Slot::Ready(ready) = std::mem::replace(front, Slot::Taken) {
                        let Ready { post, alone, told, .. } = *ready;
                        match told.send(Told::Lead { post, alone }) {
                            Ok(()) => self.leader = Some(self.first),
                            // It waits no more.
                            Err(_) => *front = Slot::Left,
                        }
                    }
                }
                _ => return,
            }
        }
    }

    fn take_behind(&mut self, leader: u64, project: &str, post: &Post) -> Followers {
        let (mut n_messages, mut n_bytes) = (post.messages.len(), bytes(&post.messages));
        let mut taken = Vec::new();
        let behind = self.index(leader).map_or(self.slots.len(), |index| index + 1);
        for (index, slot) in self.slots.iter_mut().enumerate().skip(behind) {
            match slot {
                Slot::Left => continue,
                Slot::Ready(ready) if !ready.alone && ready.project == project && go_together(post, &ready.post) => {
                    n_messages += ready.post.messages.len();
                    n_bytes += bytes(&ready.post.messages);
                }
                _ => break,
            }
            if n_messages > MAX_MESSAGES || n_bytes > MAX_BYTES {
                break;
            }
            if let Slot::Ready(ready) = std::mem::replace(slot, Slot::Taken) {
                taken.push((self.first + index as u64, ready));
            }
        }
        Followers(taken)
    }
}

/// Whether posts are alike in all but their messages.
fn go_together(one: &Post, other: &Post) -> bool {
    let Post { lane, client, messages: _, outbox, key, settles, fence, extensions } = one;
    let is_plain = key.is_none() && other.key.is_none() && settles.is_empty() && other.settles.is_empty();
    is_plain
        && (*lane, client, *outbox, *fence) == (other.lane, &other.client, other.outbox, other.fence)
        && *extensions == other.extensions
}

fn bytes(messages: &[NewMessage]) -> usize {
    messages.iter().map(|message| message.body.len()).sum()
}

impl Followers {
    /// Whether there is nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The leader's post with the messages of all behind its own.
    pub(crate) fn joined(&self, post: &Post) -> Post {
        let behind = self.0.iter().flat_map(|(_, ready)| &ready.post.messages);
        let messages = post.messages.iter().chain(behind).cloned().collect();
        Post { messages, ..post.clone() }
    }

    /// Gives each its ids, of those behind the leader's.
    pub(crate) fn stored(self, ids: impl IntoIterator<Item = MessageId>) {
        let mut ids = ids.into_iter();
        for (_, ready) in self.0 {
            let own = ids.by_ref().take(ready.post.messages.len()).collect();
            let _ = ready.told.send(Told::Done(Ok(own)));
        }
    }

    /// Tells each that it failed.
    pub(crate) fn failed(self, error: &Error) {
        for (_, ready) in self.0 {
            let _ = ready.told.send(Told::Done(Err(error.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use sukkal_plugin_sdk::{Extensions, Place, QueueId};

    use super::*;

    fn post(client: &str, n_messages: usize) -> Post {
        let (body, ttl) = (Bytes::from_static(b"1"), Duration::from_secs(60));
        let message = NewMessage { body, ttl, delay: Duration::ZERO, extensions: Extensions::new() };
        Post { client: client.to_owned(), messages: vec![message; n_messages], ..Post::default() }
    }

    fn id(place: u64) -> MessageId {
        MessageId { queue: QueueId(1), place: Place(place) }
    }

    /// A post that has said that it is ready, and waits.
    fn ready(turn: &Arc<Turn>, project: &'static str, post: Post) -> tokio::task::JoinHandle<Option<Told>> {
        let turn = turn.clone();
        tokio::spawn(async move { turn.told(project, post).await })
    }

    async fn led(told: tokio::task::JoinHandle<Option<Told>>) -> (Post, bool) {
        match told.await.unwrap() {
            Some(Told::Lead { post, alone }) => (post, alone),
            other => panic!("{other:?} where it should lead"),
        }
    }

    #[tokio::test]
    async fn the_first_takes_along_those_behind_it_that_are_like_it() {
        let order = PostOrder::default();
        let turns: Vec<_> = (0..5).map(|_| Arc::new(order.turn("q"))).collect();
        let waiting = [("p", "c", 2), ("p", "c", 1), ("p", "other", 1), ("p", "c", 1)];
        let mut told: Vec<_> = turns[1..]
            .iter()
            .zip(waiting)
            .map(|(turn, (project, client, n_messages))| ready(turn, project, post(client, n_messages)))
            .collect();
        tokio::task::yield_now().await;
        assert!(told.iter().all(|told| !told.is_finished()), "all wait for the first, whatever comes of it");
        let (first, alone) = led(ready(&turns[0], "p", post("c", 1))).await;
        let followers = turns[0].followers("p", &first);
        assert_eq!((alone, followers.joined(&first).messages.len()), (false, 4), "up to the other client's");
        followers.stored([id(1), id(2), id(3)]);
        turns[0].leave();
        let ids = |told: Option<Told>| match told {
            Some(Told::Done(Ok(ids))) => ids,
            other => panic!("{other:?} where there are ids"),
        };
        assert_eq!(ids(told.remove(0).await.unwrap()), [id(1), id(2)]);
        assert_eq!(ids(told.remove(0).await.unwrap()), [id(3)]);
        turns[1].leave();
        turns[2].leave();
        assert_eq!(led(told.remove(0)).await.0.client, "other");
        drop(turns);
        assert!(
            led(told.remove(0)).await.0.client == "c" && order.lock().by_queue.is_empty(),
            "nothing is left behind"
        );
    }

    #[tokio::test]
    async fn what_could_not_be_stored_together_is_stored_alone_in_order() {
        let order = PostOrder::default();
        let turns: Vec<_> = (0..3).map(|_| Arc::new(order.turn("q"))).collect();
        let told: Vec<_> = turns[1..].iter().map(|turn| ready(turn, "p", post("c", 1))).collect();
        tokio::task::yield_now().await;
        let (first, _) = led(ready(&turns[0], "p", post("c", 1))).await;
        let followers = turns[0].followers("p", &first);
        turns[0].put_back(followers);
        turns[0].leave();
        for (turn, told) in turns[1..].iter().zip(told) {
            let (post, alone) = led(told).await;
            assert!(alone && turn.followers("p", &post).is_empty(), "nobody takes along one that is alone");
            turn.leave();
        }
    }

    #[tokio::test]
    async fn one_that_leaves_while_it_is_taken_along_holds_up_nobody() {
        let order = PostOrder::default();
        let turns: Vec<_> = (0..3).map(|_| Arc::new(order.turn("q"))).collect();
        let told: Vec<_> = turns[1..].iter().map(|turn| ready(turn, "p", post("c", 1))).collect();
        tokio::task::yield_now().await;
        let (first, _) = led(ready(&turns[0], "p", post("c", 1))).await;
        let followers = turns[0].followers("p", &first);
        let mut told = told.into_iter();
        told.next().expect("two are told").abort();
        turns[1].leave();
        turns[0].put_back(followers);
        turns[0].leave();
        assert!(led(told.next().expect("two are told")).await.1, "the one behind it leads");
    }

    #[tokio::test]
    async fn one_that_waits_no_more_and_leaves_late_takes_nobodys_place() {
        let order = PostOrder::default();
        let [first, late] = [(); 2].map(|()| Arc::new(order.turn("q")));
        let told = ready(&late, "p", post("c", 1));
        tokio::task::yield_now().await;
        told.abort();
        assert!(told.await.is_err(), "it is over");
        first.leave();
        let [next, behind] = [(); 2].map(|()| Arc::new(order.turn("q")));
        let told = ready(&behind, "p", post("c", 1));
        tokio::task::yield_now().await;
        drop(late);
        next.leave();
        led(told).await;
    }

    #[tokio::test]
    async fn one_that_is_refused_holds_up_nobody() {
        let order = PostOrder::default();
        let (first, second) = (order.turn("q"), Arc::new(order.turn("q")));
        let told = ready(&second, "p", post("c", 1));
        tokio::task::yield_now().await;
        drop(first);
        led(told).await;
    }
}
