//! The listener of the websocket API.

use std::sync::Arc;
use std::time::Duration;

use sukkal_core::{Engine, Session};
use tokio::net::TcpListener;

use super::Limits;
use super::connection::Connection;
use super::socket::{self, Socket};
use crate::shutdown::Stop;
use crate::transport::accept::{self, Connections, Stream};
use crate::transport::new_request_id;

/// How long a client may take to ask for a websocket.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves connections until the host stops, and then until all are closed.
pub async fn run(
    listener: TcpListener,
    host: String,
    engine: Arc<Engine>,
    connections: Connections,
    limits: Limits,
    stop: Stop,
) {
    accept::run(listener, connections, stop, move |stream, stop| {
        // One name a connection: what listings show of it, and what makes it unique.
        let session = Session::new(format!("websocket://{host}/{}", new_request_id()));
        serve(stream, session, engine.clone(), limits, stop)
    })
    .await;
}

async fn serve(stream: Stream, session: Session, engine: Arc<Engine>, limits: Limits, mut stop: Stop) {
    let config = socket::config(max_message(&engine));
    let handshake = tokio_tungstenite::accept_async_with_config(stream, Some(config));
    let shaken = tokio::select! {
        biased;
        () = stop.wait() => return,
        shaken = tokio::time::timeout(HANDSHAKE, handshake) => shaken,
    };
    match shaken {
        // Boxed: most connections are idle, and each holds as much memory as its largest moment.
        Ok(Ok(stream)) => Box::pin(Connection::new(Socket::new(stream), session, engine, limits).serve(stop)).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection asked for no websocket"),
        Err(_) => tracing::debug!("a connection did not ask for a websocket in time"),
    }
}

/// The longest message: the largest body that REST takes, and what is around it in a frame.
fn max_message(engine: &Engine) -> usize {
    const ENVELOPE: u64 = 16 * 1024;
    usize::try_from(engine.snapshot().limits.max_body().saturating_add(ENVELOPE)).unwrap_or(usize::MAX)
}
