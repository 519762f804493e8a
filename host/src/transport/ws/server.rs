//! The listener of the websocket API.

use std::sync::Arc;
use std::time::Duration;

use sukkal_core::{Engine, Session};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::Limits;
use super::connection::Connection;
use super::socket::{self, Socket, Written};
use crate::shutdown::Stop;
use crate::transport::accept::{self, Connections, Stream};
use crate::transport::tally::Tallied;
use crate::transport::{Origins, new_request_id};

/// How long a client may take to ask for a websocket.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Under which connections are served.
#[derive(Debug)]
pub struct Terms {
    /// What a connection may take.
    pub limits: Limits,
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
    let admission = Admission(&terms.origins);
    let stream = Tallied::new(stream, Written::default());
    let handshake = tokio_tungstenite::accept_hdr_async_with_config(stream, admission, Some(config));
    let shaken = tokio::select! {
        biased;
        () = stop.wait() => return,
        shaken = tokio::time::timeout(HANDSHAKE, handshake) => shaken,
    };
    match shaken {
        // Boxed: most connections are idle, and each holds as much memory as its largest moment.
        Ok(Ok(stream)) => {
            Box::pin(Connection::new(Socket::new(stream), session, engine, terms.limits).serve(stop)).await
        }
        Ok(Err(error)) => tracing::debug!(%error, "a connection asked for no websocket"),
        Err(_) => tracing::debug!("a connection did not ask for a websocket in time"),
    }
}

/// Refuses pages of other origins.
struct Admission<'a>(&'a Origins);

impl Callback for Admission<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        if self.0.admit(request.headers()) {
            return Ok(response);
        }
        tracing::debug!("a page of an origin that cors.allowed_origin does not name asked for a websocket");
        let mut refusal = ErrorResponse::new(Some("Pages of this origin may not use the API.".to_owned()));
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        Err(refusal)
    }
}

/// The longest message: the largest body that REST takes, and what is around it in a frame.
fn max_message(engine: &Engine) -> usize {
    const ENVELOPE: u64 = 16 * 1024;
    usize::try_from(engine.snapshot().limits.max_body().saturating_add(ENVELOPE)).unwrap_or(usize::MAX)
}
