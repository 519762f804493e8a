//! The life of one connection.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use warp::http::{Request, Uri};
use warp::reply::Response;

use super::exchange;
use crate::shutdown::Stop;
use crate::transport::accept::Stream;

/// Serves a connection until its client closes it, nothing moves on it for a while, or the host
/// stops: then a request that is under way is answered first.
pub async fn serve<S>(stream: Stream, service: S, idle: Duration, mut stop: Stop)
where
    S: Service<Request<Incoming>, Response = Response, Error = std::convert::Infallible>,
{
    let traffic = Arc::new(Traffic::default());
    let counted = service_fn(|request| {
        let (answer, traffic) = (service.call(with_path(request)), traffic.clone());
        async move {
            traffic.started.fetch_add(1, Ordering::Relaxed);
            let response = caught(answer).await;
            traffic.answered.fetch_add(1, Ordering::Relaxed);
            response
        }
    });
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_buf_size(READ_BUFFER);
    let connection = http.serve_connection(TokioIo::new(stream), counted);
    let mut connection = pin!(connection);
    let mut ticks = tokio::time::interval(idle);
    let mut seen = None;
    loop {
        tokio::select! {
            biased;
            end = connection.as_mut() => {
                if let Err(error) = end {
                    tracing::debug!(%error, "a connection ended");
                }
                return;
            }
            () = stop.wait() => break,
            _ = ticks.tick() => match traffic.quiet_since(seen) {
                Some(now) => seen = Some(now),
                None => return,
            },
        }
    }
    connection.as_mut().graceful_shutdown();
    while let Err(_still_open) = tokio::time::timeout(LAST_HEAD, connection.as_mut()).await {
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
const READ_BUFFER: usize = 64 * 1024;

/// When the host stops: how long a head that has begun may take to become a request, which is then
/// answered.
const LAST_HEAD: Duration = Duration::from_secs(1);

/// What passes on a connection. One timer a connection looks at it now and then: it stands for the
/// time-outs of heads that do not end, of answers that are not read and of idleness, and costs a
/// request two additions in place of a timer.
#[derive(Default)]
struct Traffic {
    started: AtomicU64,
    answered: AtomicU64,
}

impl Traffic {
    /// How many requests there were, or `None` where nothing has moved since the last look. A
    /// request that is being answered moves: it has a deadline of its own.
    fn quiet_since(&self, seen: Option<u64>) -> Option<u64> {
        let answered = self.answered.load(Ordering::Relaxed);
        let started = self.started.load(Ordering::Relaxed);
        (started != answered || seen != Some(answered)).then_some(answered)
    }

    /// Whether a request is being answered.
    fn is_under_way(&self) -> bool {
        self.started.load(Ordering::Relaxed) != self.answered.load(Ordering::Relaxed)
    }
}

/// A panic while answering one request is that request's alone.
async fn caught(
    answer: impl Future<Output = Result<Response, std::convert::Infallible>>,
) -> Result<Response, std::convert::Infallible> {
    let mut answer = pin!(answer);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))).unwrap_or_else(|_| {
            tracing::error!("a request panicked");
            Poll::Ready(Ok(exchange::panicked()))
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_quiet_when_two_looks_see_the_same() {
        let traffic = Traffic::default();
        assert_eq!(traffic.quiet_since(None), Some(0));
        traffic.started.store(1, Ordering::Relaxed);
        assert_eq!(traffic.quiet_since(Some(0)), Some(0));
        traffic.answered.store(1, Ordering::Relaxed);
        assert_eq!(traffic.quiet_since(Some(0)), Some(1));
        assert_eq!(traffic.quiet_since(Some(1)), None);
    }

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let Ok(response) = caught(async { panic!("on purpose") }).await;
        assert_eq!(response.status(), 500);
    }
}
