//! Accepting connections, so many and no more.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::metrics::Meter;
use crate::shutdown::Stop;

/// How connections of a listener are served.
#[derive(Clone)]
pub struct Connections {
    /// How many there may be at once. One more is told so (503) and closed.
    pub max: u32,
    /// The setting that says so, for the log.
    pub setting: &'static str,
    /// Who counts them.
    pub meter: Meter,
}

/// Serves connections until the host stops, and then until all have ended.
pub async fn run<S, F>(listener: TcpListener, connections: Connections, mut stop: Stop, serve: S)
where
    S: Fn(TcpStream, Stop) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(connections.max as usize));
    loop {
        let stream = tokio::select! {
            biased;
            () = stop.wait() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    not_accepted(&error).await;
                    continue;
                }
            },
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            connections.meter.refused();
            refuse(&stream, connections.setting);
            continue;
        };
        // Without it small answers wait for the client's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        let (served, counted) = (serve(stream, stop.clone()), connections.meter.accepted());
        tokio::spawn(async move {
            served.await;
            drop((counted, place));
        });
    }
    drop(listener);
    // Every place is free again: every connection has ended.
    let _ = places.acquire_many(connections.max).await;
}

/// Mostly the process has too many open files; some get free as connections end.
async fn not_accepted(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn refuse(stream: &TcpStream, setting: &str) {
    const BODY: &str = concat!(
        r#"{"title":"Service temporarily unavailable","description":"Too many connections. "#,
        r#"Please try again in a few seconds."}"#
    );
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    tracing::warn!("a connection was refused: there are as many as `{setting}` allows");
    // It fits the empty buffer of a new socket; a client that is gone needs no answer.
    let _ = stream.try_write(answer.as_bytes());
}
