//! Accepting connections, so many and no more.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::refusal;
use super::tls::Tls;
use crate::metrics::Meter;
use crate::shutdown::Stop;

/// How connections of a listener are served.
#[derive(Clone)]
pub struct Connections {
    /// How many there may be at once. One more is told so (503) and closed.
    pub max: u32,
    /// How many there may be at once of several listeners together.
    pub of_all: Arc<Semaphore>,
    /// The setting that says so, for the log.
    pub setting: &'static str,
    /// Who counts them.
    pub meter: Meter,
    /// TLS, where the listener speaks it.
    pub tls: Option<Arc<Tls>>,
}

impl Connections {
    /// Of a listener without TLS, by itself.
    pub fn new(max: u32, setting: &'static str, meter: Meter) -> Connections {
        Connections { max, of_all: Arc::new(Semaphore::new(max as usize)), setting, meter, tls: None }
    }
}

/// A client's connection. Boxed: the state of TLS is large, and most connections have none.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A stream of which one can ask, without reading on, whether its client has left.
pub trait Leaving {
    /// Whether its client sends no more, or is gone; what it sent before may be unread.
    fn has_left(&self) -> bool;
}

impl Leaving for Stream {
    fn has_left(&self) -> bool {
        let stream = match self {
            Either::Left(stream) => stream,
            Either::Right(stream) => stream.get_ref().0,
        };
        // The runtime may not have heard of it yet, so the system is asked.
        let mut asked = [PollFd::new(stream, PollFlags::RDHUP)];
        poll(&mut asked, Some(&Timespec::default())).is_ok_and(|n_ready| n_ready > 0)
    }
}

/// Serves connections until the host stops, and then until all have ended.
pub async fn run<S, F>(listener: TcpListener, connections: Connections, mut stop: Stop, serve: S)
where
    S: Fn(Stream, Stop) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(connections.max as usize));
    let (mut refusals, mut failures) = (Untold::default(), Untold::default());
    loop {
        let stream = tokio::select! {
            biased;
            () = stop.wait() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    not_accepted(&error, &mut failures).await;
                    continue;
                }
            },
        };
        let place = places.clone().try_acquire_owned().ok().zip(connections.of_all.clone().try_acquire_owned().ok());
        let Some(place) = place else {
            connections.meter.refused();
            refuse(&stream, &connections, &mut refusals);
            continue;
        };
        // Without it small answers wait for the client's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        let (serve, stop, counted) = (serve.clone(), stop.clone(), connections.meter.accepted());
        match &connections.tls {
            None => tokio::spawn(async move {
                serve(Either::Left(stream), stop).await;
                drop((counted, place));
            }),
            Some(tls) => {
                let (tls, meter) = (tls.clone(), connections.meter.clone());
                tokio::spawn(async move {
                    if let Some(stream) = Box::pin(shaken(&tls, stream, stop.clone(), &meter)).await {
                        serve(Either::Right(stream), stop).await;
                    }
                    drop((counted, place));
                })
            }
        };
    }
    drop(listener);
    // Every place is free again: every connection has ended.
    let _ = places.acquire_many(connections.max).await;
}

/// Mostly the process has too many open files; some get free as connections end.
async fn not_accepted(error: &std::io::Error, failures: &mut Untold) {
    if let Some(attempts) = failures.one_more(Instant::now()) {
        tracing::warn!(%error, attempts, "connections could not be accepted");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// The stream within TLS. A host that stops breaks off the handshake: nothing has been asked yet.
async fn shaken(tls: &Tls, stream: TcpStream, mut stop: Stop, meter: &Meter) -> Option<Box<TlsStream<TcpStream>>> {
    let shaken = tokio::select! {
        biased;
        () = stop.wait() => return None,
        shaken = tls.accept(stream) => shaken,
    };
    shaken
        .inspect_err(|reason| {
            meter.handshake_failed();
            tracing::debug!(?reason, "a connection did not come to the end of its TLS handshake");
        })
        .ok()
}

/// How often something has happened that was not told of yet.
#[derive(Default)]
struct Untold {
    n_untold: u64,
    told: Option<Instant>,
}

impl Untold {
    /// How many to tell of now, with this one: a flood of them gives a line a second.
    fn one_more(&mut self, now: Instant) -> Option<u64> {
        self.n_untold += 1;
        if self.told.is_some_and(|told| now.duration_since(told) < Duration::from_secs(1)) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.n_untold))
    }
}

/// Over TLS it would take a handshake to say why.
fn refuse(stream: &TcpStream, connections: &Connections, refusals: &mut Untold) {
    if let Some(refused) = refusals.one_more(Instant::now()) {
        tracing::warn!(
            refused,
            "connections were refused: there are as many as `{}` or the limit of open files allows",
            connections.setting
        );
    }
    if connections.tls.is_some() {
        return;
    }
    let why = "Too many connections. Please try again in a few seconds.";
    let answer =
        refusal::answer("503 Service Unavailable", "retry-after: 5\r\n", "Service temporarily unavailable", why);
    // It fits the empty buffer of a new socket; a client that is gone needs no answer.
    let _ = stream.try_write(answer.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_connections_are_told_of_once_a_second_with_their_number() {
        let (mut refusals, begin) = (Untold::default(), Instant::now());
        let told: Vec<_> = (0..25).map(|tenth| refusals.one_more(begin + Duration::from_millis(100) * tenth)).collect();
        let told: Vec<_> = told.into_iter().enumerate().filter_map(|(index, told)| Some((index, told?))).collect();
        assert_eq!(told, [(0, 1), (10, 10), (20, 10)]);
    }
}
