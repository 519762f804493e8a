//! What passes on a connection.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use sukkal_core::Delivery;
use tokio::sync::Notify;
use warp::http::Response;

use crate::transport::tally::Tally;
use crate::transport::unread::{self, Part};

/// What passes on a connection. One timer a connection looks at it now and then: it stands for the
/// time-outs of heads that do not end, of answers that are not read and of idleness, and costs a
/// request a few additions in place of a timer.
pub struct Traffic {
    /// Requests.
    started: AtomicU64,
    /// Those to which there is an answer.
    answered: AtomicU64,
    /// Those whose answers are written but for what HTTP still holds in its buffer.
    ended: AtomicU64,
    /// Those whose answers are written.
    written: AtomicU64,
    n_bytes: AtomicU64,
    /// Whether a client that sends no more is still waited for.
    hides_end: AtomicBool,
    /// Whether one that sends no more has left.
    must_stay: AtomicBool,
    unwritten: Mutex<Unwritten>,
    /// An answer begins that is long enough to be counted.
    is_counted: Notify,
}

/// What is not written of answers that are there.
struct Unwritten {
    /// Of those that have ended.
    deliveries: Vec<Delivery>,
    /// The latest one's length.
    n_bytes: Part,
}

/// What had passed at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    answered: u64,
    n_bytes: u64,
}

impl Traffic {
    /// Nothing yet, on a connection that has this part of what all leave unread.
    pub fn new(unread: Part) -> Self {
        Traffic {
            started: AtomicU64::default(),
            answered: AtomicU64::default(),
            ended: AtomicU64::default(),
            written: AtomicU64::default(),
            n_bytes: AtomicU64::default(),
            hides_end: AtomicBool::default(),
            must_stay: AtomicBool::default(),
            unwritten: Mutex::new(Unwritten { deliveries: Vec::new(), n_bytes: unread }),
            is_counted: Notify::new(),
        }
    }

    /// What has passed, or `None` where nothing has moved since the last look. A request that is
    /// being answered moves: it has a deadline of its own. So does an answer of which the client
    /// takes a part.
    pub fn quiet_since(&self, seen: Option<Seen>) -> Option<Seen> {
        let now = self.seen();
        (get(&self.started) != now.answered || seen != Some(now)).then_some(now)
    }

    /// Whether a request is being answered, or its answer not written yet.
    pub fn is_under_way(&self) -> bool {
        get(&self.started) != get(&self.written)
    }

    /// Says that the request under way is whole, or is not; and whether its client must stay, or is waited for though
    /// it sends no more.
    pub fn received(&self, is_whole: bool, must_stay: bool) {
        self.hides_end.store(is_whole && !must_stay, Ordering::Relaxed);
        self.must_stay.store(is_whole && must_stay, Ordering::Relaxed);
    }

    /// Whether the answer is of use only to a client that is there.
    pub fn must_stay(&self) -> bool {
        self.must_stay.load(Ordering::Relaxed) && self.is_under_way()
    }

    /// Whether it is, and the answer is not on its way yet.
    pub fn hides_end(&self) -> bool {
        self.hides_end.load(Ordering::Relaxed) && self.is_answering()
    }

    /// Whether there is a request whose answer HTTP has not taken as a whole yet.
    pub fn is_answering(&self) -> bool {
        get(&self.started) != get(&self.ended)
    }

    /// Waits until all clients together leave too much unread, and this one has taken next to nothing of a long
    /// answer since the last look.
    pub async fn stands_in_the_way(&self) {
        loop {
            self.is_counted.notified().await;
            let mut seen = self.seen();
            loop {
                tokio::time::sleep(LOOK).await;
                let before = std::mem::replace(&mut seen, self.seen());
                let unread = &self.unwritten().n_bytes;
                if unread.n_bytes() == 0 {
                    break;
                }
                let least = unread::STEP.max(unread.n_bytes() / LOOKS) as u64;
                let is_same = seen.answered == before.answered;
                if unread.is_too_much() && is_same && seen.n_bytes - before.n_bytes < least {
                    return;
                }
            }
        }
    }

    fn seen(&self) -> Seen {
        Seen { answered: get(&self.answered), n_bytes: get(&self.n_bytes) }
    }

    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally for Arc<Traffic> {
    fn wrote(&mut self, n_bytes: usize) {
        self.n_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
    }

    fn flushed(&mut self) {
        // HTTP flushes once its buffer is empty.
        let ended = get(&self.ended);
        if self.written.swap(ended, Ordering::Relaxed) != ended {
            let mut unwritten = self.unwritten();
            unwritten.deliveries.drain(..).for_each(Delivery::delivered);
            if !self.is_under_way() {
                unwritten.n_bytes.set(0);
            }
        }
    }
}

/// A request on its way from its head to the last byte of its answer.
pub struct Answering {
    traffic: Arc<Traffic>,
    is_answered: bool,
    delivery: Option<Delivery>,
}

impl Answering {
    /// A request has come.
    pub fn begin(traffic: &Arc<Traffic>) -> Self {
        traffic.started.fetch_add(1, Ordering::Relaxed);
        Answering { traffic: traffic.clone(), is_answered: false, delivery: None }
    }

    /// There is an answer.
    pub fn with<B: Body>(mut self, mut answer: Response<B>) -> Response<Answer<B>> {
        let length = answer.body().size_hint().lower();
        if length >= unread::STEP as u64 {
            self.traffic.unwritten().n_bytes.set(usize::try_from(length).unwrap_or(usize::MAX));
            self.traffic.is_counted.notify_one();
        }
        self.delivery = answer.extensions_mut().remove::<Arc<Delivery>>().and_then(Arc::into_inner);
        self.answered();
        answer.map(|body| Answer { body, _answering: self })
    }

    fn answered(&mut self) {
        if !std::mem::replace(&mut self.is_answered, true) {
            self.traffic.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.answered();
        self.traffic.ended.fetch_add(1, Ordering::Relaxed);
        if let Some(delivery) = self.delivery.take() {
            self.traffic.unwritten().deliveries.push(delivery);
        }
    }
}

/// The body of an answer. HTTP drops it when it has taken all of it.
pub struct Answer<B> {
    body: B,
    _answering: Answering,
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How often a connection is looked at whose client is slow to read a long answer.
const LOOK: Duration = Duration::from_secs(2);
/// After so many looks at the most such an answer is to be read, while all are too much.
const LOOKS: usize = 16;

fn get(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Unread;

    fn traffic() -> Arc<Traffic> {
        Arc::new(Traffic::new(Part::of(&Unread::new(0))))
    }

    #[test]
    fn a_connection_is_quiet_when_two_looks_see_the_same() {
        let mut traffic = traffic();
        let before = traffic.quiet_since(None);
        assert!(before.is_some() && traffic.quiet_since(before).is_none());
        let answering = Answering::begin(&traffic);
        assert!(traffic.quiet_since(before).is_some(), "it is being answered");
        let answer = answering.with(Response::new(String::new()));
        let answered = traffic.quiet_since(before);
        assert!(answered.is_some() && traffic.quiet_since(answered).is_none(), "it is not read");
        traffic.wrote(1);
        assert!(traffic.quiet_since(answered).is_some(), "a part is read");
        drop(answer);
    }

    #[test]
    fn a_request_is_under_way_until_its_answer_is_written() {
        let mut traffic = traffic();
        let answer = Answering::begin(&traffic).with(Response::new(String::new()));
        traffic.flushed();
        assert!(traffic.is_under_way(), "HTTP has not taken all of it");
        drop(answer);
        assert!(traffic.is_under_way(), "HTTP has not written all of it");
        traffic.flushed();
        assert!(!traffic.is_under_way());
    }
}
