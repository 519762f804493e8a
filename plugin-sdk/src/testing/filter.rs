//! A filter under test, which requests meet as they do in the host.

use serde_json::value::RawValue;

use super::clock::TestClock;
use crate::abi::filter::{FilterState, LoadedFilter};
use crate::{
    Bytes, Call, Error, Interest, Message, Moment, NewMessage, Reader, Request, Response, Result, Timestamp, Verdict,
};

/// A filter under test. Clones are the same filter.
#[derive(Clone)]
pub struct TestFilter {
    filter: LoadedFilter,
    interest: Interest,
    clock: TestClock,
}

impl TestFilter {
    pub(super) fn new(filter: LoadedFilter, clock: TestClock) -> Result<Self> {
        let interest = filter.interest().ok_or_else(|| Error::internal("interest() panicked"))?;
        Ok(TestFilter { filter, interest, clock })
    }

    /// A request on its way through the filter, from its first moment to its last.
    pub fn passage(&self, request: Request) -> Passage {
        Passage { filter: self.clone(), state: FilterState::default(), request }
    }

    /// See [`crate::Filter::shutdown`].
    ///
    /// # Errors
    /// It panicked.
    pub async fn shutdown(&self) -> Result<()> {
        self.filter.shutdown(&super::call(&self.clock)).await
    }
}

/// One request on its way through a filter. A moment that the filter does not want passes it by, as
/// in the host; what it keeps from one moment to the next lives as long as this value.
pub struct Passage {
    filter: TestFilter,
    state: FilterState,
    request: Request,
}

impl Passage {
    /// The request, as the filter has left it.
    pub fn current(&self) -> &Request {
        &self.request
    }

    /// See [`crate::Filter::authenticate`].
    ///
    /// # Errors
    /// The filter's.
    pub async fn authenticate(&mut self) -> Result<Verdict> {
        if !self.wanted(Moment::Authenticate) {
            return Ok(Verdict::Continue);
        }
        let call = self.call();
        self.filter.filter.authenticate(&call, &mut self.state, &mut self.request).await
    }

    /// See [`crate::Filter::request`].
    ///
    /// # Errors
    /// The filter's.
    pub async fn request(&mut self) -> Result<Verdict> {
        if !self.wanted(Moment::Request) {
            return Ok(Verdict::Continue);
        }
        let call = self.call();
        self.filter.filter.request(&call, &mut self.state, &mut self.request).await
    }

    /// See [`crate::Filter::ingress`]. Gives the messages as they would be stored.
    ///
    /// # Errors
    /// The filter's; `Internal` where it changed the number of messages or made a body that is not
    /// one JSON value.
    pub async fn ingress(&mut self, messages: Vec<NewMessage>) -> Result<(Verdict, Vec<NewMessage>)> {
        if !self.wanted(Moment::Ingress) {
            return Ok((Verdict::Continue, messages));
        }
        let (call, count) = (self.call(), messages.len());
        let hook = self.filter.filter.ingress(&call, &mut self.state, &self.request, messages);
        let (verdict, messages) = hook.await?;
        check(count, messages.iter().map(|message| &message.body))?;
        Ok((verdict, messages))
    }

    /// See [`crate::Filter::egress`]: messages on their way to the client. Gives them as it would
    /// read them.
    ///
    /// # Errors
    /// As [`Passage::ingress`].
    pub async fn egress(&mut self, messages: Vec<Message>) -> Result<(Verdict, Vec<Message>)> {
        self.leave(None, messages).await
    }

    /// See [`crate::Filter::egress`]: a message on its way to a subscriber.
    ///
    /// # Errors
    /// As [`Passage::ingress`].
    pub async fn deliver(&mut self, subscription: &str, message: Message) -> Result<(Verdict, Vec<Message>)> {
        self.leave(Some(subscription), vec![message]).await
    }

    async fn leave(&mut self, subscription: Option<&str>, messages: Vec<Message>) -> Result<(Verdict, Vec<Message>)> {
        if !self.wanted(Moment::Egress) {
            return Ok((Verdict::Continue, messages));
        }
        let reader = match subscription {
            Some(subscription) => Reader::Delivery { request: &self.request, subscription },
            None => Reader::Request(&self.request),
        };
        let (call, count) = (self.call(), messages.len());
        let (verdict, messages) = self.filter.filter.egress(&call, &mut self.state, reader, messages).await?;
        if subscription.is_none() && matches!(verdict, Verdict::Skip) {
            return Err(Error::internal("the filter skipped what is no delivery"));
        }
        check(count, messages.iter().map(|message| &message.body))?;
        Ok((verdict, messages))
    }

    /// See [`crate::Filter::response`]. Gives the answer as the client would get it.
    ///
    /// # Errors
    /// The filter's.
    pub async fn response(&mut self, mut response: Response) -> Result<Response> {
        if self.wanted(Moment::Response) {
            let call = self.call();
            self.filter.filter.response(&call, &mut self.state, &self.request, &mut response).await?;
        }
        Ok(response)
    }

    fn wanted(&self, moment: Moment) -> bool {
        self.filter.interest.wants(moment, self.request.action())
    }

    fn call(&self) -> Call {
        let deadline: Timestamp = super::call(&self.filter.clock).deadline();
        Call::new(self.request.id(), self.request.project(), deadline)
    }
}

/// What the host holds a filter to.
fn check<'a>(count: usize, bodies: impl ExactSizeIterator<Item = &'a Bytes>) -> Result<()> {
    if bodies.len() != count {
        return Err(Error::internal("the filter changed the number of messages"));
    }
    for body in bodies {
        if serde_json::from_slice::<&RawValue>(body).is_err() {
            return Err(Error::internal("the filter made a body that is not one JSON value"));
        }
    }
    Ok(())
}
