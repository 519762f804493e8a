//! The listener of the websocket API.

use std::sync::Arc;
use std::time::Duration;

use sukkal_core::{Engine, Session};
use tokio::net::TcpListener;

use super::connection::Connection;
use super::socket::{self, Socket, Written};
use super::{Limits, handshake};
use crate::shutdown::Stop;
use crate::transport::accept::{self, Connections, Stream};
use crate::transport::tally::Tallied;
use crate::transport::{Origins, Unread, new_request_id};

/// How long a client may take to ask for a websocket.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Under which connections are served.
#[derive(Debug)]
pub struct Terms {
    /// What a connection may take.
    pub limits: Limits,
    /// What all of them have not read.
    pub unread: Arc<Unread>,
    /// Whose pages may have one.
    pub origins: Origins,
}

/// Serves connections until the host stops, and then until all are closed.
pub async fn run(
    listener: TcpListener,
    host: String,
    engine: Arc<Engine>,
    connections: Connections,
    terms: Terms,
    stop: Stop,
) {
    let terms = Arc::new(terms);
    accept::run(listener, connections, stop, move |stream, stop| {
        // One name a connection: what listings show of it, and what makes it unique.
        let session = Session::new(format!("websocket://{host}/{}", new_request_id()));
        serve(stream, session, engine.clone(), terms.clone(), stop)
    })
    .await;
}

async fn serve(stream: Stream, session: Session, engine: Arc<Engine>, terms: Arc<Terms>, mut stop: Stop) {
    let config = socket::config(max_message(&engine));
    let stream = Tallied::new(stream, Written::default());
    let shaken = tokio::select! {
        biased;
        () = stop.wait() => return,
        shaken = tokio::time::timeout(HANDSHAKE, handshake::shake(stream, &terms.origins, config)) => shaken,
    };
    match shaken {
        // Boxed: most connections are idle, and each holds as much memory as its largest moment.
        Ok(Some(stream)) => {
            let connection = Connection::new(Socket::new(stream), session, engine, terms.limits, &terms.unread);
            Box::pin(connection.serve(stop)).await
        }
        Ok(None) => {}
        Err(_) => tracing::debug!("a connection did not ask for a websocket in time"),
    }
}

/// The longest message: the largest body that REST takes, and what is around it in a frame. A connection keeps it over
/// a reload: what holds the stream has no way to change it.
fn max_message(engine: &Engine) -> usize {
    const ENVELOPE: u64 = 16 * 1024;
    usize::try_from(engine.snapshot().limits.max_body().saturating_add(ENVELOPE)).unwrap_or(usize::MAX)
}
