//! The life of one connection.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use warp::http::{Request, Uri};
use warp::reply::Response;

use super::received::Received;
use super::server::Terms;
use super::traffic::{Answering, Traffic};
use super::wire::Wire;
use super::{exchange, unsound};
use crate::shutdown::Stop;
use crate::transport::accept::Stream;
use crate::transport::tally::Tallied;
use crate::transport::unread::Part;

/// Serves a connection until its client closes it, nothing moves on it for a while, or the host
/// stops: then a request that is under way is answered first, and its answer read.
pub async fn serve<S>(stream: Stream, service: S, terms: &Terms, mut stop: Stop)
where
    S: Service<Request<Received<Incoming>>, Response = Response, Error = Infallible>,
{
    let traffic = Arc::new(Traffic::new(Part::of(&terms.unread)));
    let counted = service_fn(|request: Request<Incoming>| {
        let answering = Answering::begin(&traffic);
        let answer = match unsound::refusal(&request) {
            Some(refusal) => Err(exchange::unsound(refusal)),
            None => Ok(service.call(Received::of(with_path(request), &traffic))),
        };
        async move {
            let answer = match answer {
                Ok(answer) => caught(answer).await,
                Err(refused) => refused,
            };
            Ok::<_, Infallible>(answering.with(answer))
        }
    });
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_buf_size(READ_BUFFER);
    let stream = Tallied::new(Wire::new(stream, traffic.clone()), traffic.clone());
    let connection = http.serve_connection(TokioIo::new(stream), counted);
    let mut connection = pin!(connection);
    let mut quiet = pin!(quiet(&traffic, terms.idle));
    let mut in_the_way = pin!(traffic.stands_in_the_way());
    tokio::select! {
        biased;
        end = connection.as_mut() => {
            if let Err(error) = end {
                tracing::debug!(%error, "a connection ended");
            }
            return;
        }
        () = stop.wait() => {}
        () = quiet.as_mut() => return,
        () = in_the_way.as_mut() => return,
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = connection => {}
        () = stop.cut() => {}
        () = quiet => {}
        () = in_the_way => {}
        () = finished(&traffic) => {}
    }
}

/// Waits until nothing has moved for so long, and at the most for twice as long.
async fn quiet(traffic: &Traffic, idle: Duration) {
    let mut ticks = tokio::time::interval(idle);
    let mut seen = None;
    loop {
        ticks.tick().await;
        seen = traffic.quiet_since(seen);
        if seen.is_none() {
            return;
        }
    }
}

/// Waits until there has been time for a last head, and no request is under way.
async fn finished(traffic: &Traffic) {
    loop {
        tokio::time::sleep(LAST_HEAD).await;
        if !traffic.is_under_way() {
            return;
        }
    }
}

/// A target may be a host without a path (`GET example.org HTTP/1.1`), on which warp would panic. It
/// names nothing that is here: as little as this path does.
fn with_path(mut request: Request<Incoming>) -> Request<Incoming> {
    if request.uri().path_and_query().is_none() {
        *request.uri_mut() = Uri::from_static("//");
    }
    request
}

/// The largest head, and what a connection reads ahead of a body, in bytes.
const READ_BUFFER: usize = unsound::LARGEST_HEAD;

/// When the host stops: how long a head that has begun may take to become a request, which is then
/// answered.
const LAST_HEAD: Duration = Duration::from_secs(1);

/// A panic while answering one request is that request's alone.
async fn caught(answer: impl Future<Output = Result<Response, Infallible>>) -> Response {
    let mut answer = pin!(answer);
    let Ok(response) = poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))).unwrap_or_else(|_| {
            tracing::error!("a request panicked");
            Poll::Ready(Ok(exchange::panicked()))
        })
    })
    .await;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let response = caught(async { panic!("on purpose") }).await;
        assert_eq!(response.status(), 500);
    }
}
