//! How a connection becomes a websocket, or is told why not.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::transport::{Origins, refusal};

/// Shakes hands; none: the client asked for no websocket, or for none that it may have, and was told
/// so. However long that takes: whoever calls sets the time.
pub async fn shake<S>(mut stream: S, origins: &Origins, config: WebSocketConfig) -> Option<WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let admission = Admission(origins);
    let shaken = tokio_tungstenite::accept_hdr_async_with_config(&mut stream, admission, Some(config)).await;
    // Nothing is read ahead: who sends frames before the answer is refused.
    match shaken.map(drop) {
        Ok(()) => Some(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await),
        Err(error) => {
            tracing::debug!(%error, "a connection asked for no websocket");
            if let Some(answer) = why_not(&error) {
                refusal::tell(stream, &answer).await;
            }
            None
        }
    }
}

/// What a client is told that has not been answered yet and listens (RFC 6455 §4.2.2).
fn why_not(error: &Error) -> Option<String> {
    const UPGRADE: &str = "upgrade: websocket\r\nsec-websocket-version: 13\r\n";
    let bad = |why: &str| Some(refusal::answer("400 Bad Request", "", "Bad request", why));
    match error {
        Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader
            | ProtocolError::MissingSecWebSocketVersionHeader,
        ) => {
            let why = "This port speaks websocket alone, version 13. Please use ws:// or wss://.";
            Some(refusal::answer("426 Upgrade Required", UPGRADE, "Upgrade required", why))
        }
        Error::Protocol(ProtocolError::HandshakeIncomplete) => None,
        Error::Protocol(reason) => bad(&format!("This is no handshake of a websocket. {reason}.")),
        Error::HttpFormat(_) | Error::Utf8(_) | Error::Capacity(_) | Error::AttackAttempt => {
            bad("This is no handshake of a websocket.")
        }
        _ => None,
    }
}

/// Refuses what may have been meant for another host, and pages of other origins.
struct Admission<'a>(&'a Origins);

impl Callback for Admission<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        if !refusal::has_one_host(request.version(), request.headers()) {
            return Err(refused(StatusCode::BAD_REQUEST, "Bad request", refusal::ONE_HOST));
        }
        if !self.0.admit(request.headers()) {
            tracing::debug!("a page of an origin that cors.allowed_origin does not name asked for a websocket");
            return Err(refused(StatusCode::FORBIDDEN, "Forbidden", "Pages of this origin may not use the API."));
        }
        Ok(response)
    }
}

/// As [`refusal::answer`] is; tungstenite writes it.
fn refused(status: StatusCode, title: &str, why: &str) -> ErrorResponse {
    let body = refusal::body(title, why);
    let length = HeaderValue::from(body.len());
    let mut response = ErrorResponse::new(Some(body));
    *response.status_mut() = status;
    let head = [
        (CONNECTION, HeaderValue::from_static("close")),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CONTENT_LENGTH, length),
    ];
    response.headers_mut().extend(head);
    response
}
