//! Accepting connections, so many and no more.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::connection;
use crate::shutdown::Stop;

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// How many there may be at once. One more is told so (503) and closed.
    pub max: u32,
    /// A connection on which nothing moves for this long is closed (at the latest after twice as
    /// long): idle ones, and those whose client does not send or read on.
    pub idle: Duration,
}

/// Serves connections until the host stops, and then until all are closed.
pub async fn run<F>(listener: TcpListener, filter: F, connections: Connections, mut stop: Stop)
where
    F: Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    let service = TowerToHyperService::new(warp::service(filter));
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
            refuse(&stream);
            continue;
        };
        // Without it small answers wait for the client's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        let (service, stop) = (service.clone(), stop.clone());
        tokio::spawn(async move {
            connection::serve(stream, service, connections.idle, stop).await;
            drop(place);
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

fn refuse(stream: &TcpStream) {
    const BODY: &str = concat!(
        r#"{"title":"Service temporarily unavailable","description":"Too many connections. "#,
        r#"Please try again in a few seconds."}"#
    );
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    tracing::warn!("a connection was refused: there are as many as `rest.max_connections` allows");
    // It fits the empty buffer of a new socket; a client that is gone needs no answer.
    let _ = stream.try_write(answer.as_bytes());
}
