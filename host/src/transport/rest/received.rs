//! The body of a request on its way in.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use warp::http::{Method, Request};

use super::traffic::Traffic;

/// A body that says when it is there as a whole: from then on the client may close its writing side, or must not.
pub struct Received<B> {
    body: B,
    traffic: Arc<Traffic>,
    must_stay: bool,
}

impl<B: Body + Unpin> Received<B> {
    /// The request with its body watched.
    pub fn of(request: Request<B>, traffic: &Arc<Traffic>) -> Request<Received<B>> {
        let must_stay = must_stay(&request);
        traffic.received(request.body().is_end_stream(), must_stay);
        request.map(|body| Received { body, traffic: traffic.clone(), must_stay })
    }
}

/// Whether a request is of use only to a client that is there still: it claims, or may wait.
fn must_stay<B>(request: &Request<B>) -> bool {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    (request.method() == Method::POST && path.ends_with("/claims")) || query.contains("wait")
}

impl<B: Body + Unpin> Body for Received<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let is_whole = match &polled {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            _ => false,
        };
        if is_whole {
            self.traffic.received(true, self.must_stay);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
