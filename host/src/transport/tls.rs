//! TLS under both transports: the handshake, and certificates that are exchanged at run time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::refusal;

/// How long a client may take for all of the handshake, also where more could go by without a word.
const PATIENCE: Duration = Duration::from_secs(10);
/// One in so many of a listener's connections may be in the handshake: those who do not come to its
/// end leave the other places to those who have.
const SHARE: usize = 4;

/// The TLS of one listener.
pub struct Tls {
    server: ArcSwap<ServerConfig>,
    shaking: Semaphore,
    patience: Duration,
}

/// Why a client is not served.
#[derive(Debug)]
pub enum Failed {
    /// It took too long.
    Slow,
    /// It does not speak TLS, but HTTP without; so it was told.
    Plain,
    /// It went away, or TLS failed.
    Broken(io::Error),
}

impl Tls {
    /// For a listener of so many connections, on which nothing may move for so long.
    pub fn new(server: Arc<ServerConfig>, max_connections: u32, idle: Duration) -> Self {
        let shaking = Semaphore::new((max_connections as usize / SHARE).max(1));
        Tls { server: ArcSwap::new(server), shaking, patience: idle.min(PATIENCE) }
    }

    /// Shows another certificate to all who come from now on.
    pub fn renew(&self, server: Arc<ServerConfig>) {
        self.server.store(server);
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn accept(&self, stream: TcpStream) -> Result<Box<TlsStream<TcpStream>>, Failed> {
        timeout(self.patience, self.shake(stream)).await.unwrap_or(Err(Failed::Slow))
    }

    async fn shake(&self, stream: TcpStream) -> Result<Box<TlsStream<TcpStream>>, Failed> {
        let mut first = [0];
        // Who says nothing takes no place among those who shake hands.
        let n_read = stream.peek(&mut first).await.map_err(Failed::Broken)?;
        if n_read == 1 && first[0].is_ascii_alphabetic() {
            refer(stream).await;
            return Err(Failed::Plain);
        }
        let _place = self.shaking.acquire().await;
        let acceptor = TlsAcceptor::from(self.server.load_full());
        acceptor.accept(stream).await.map(Box::new).map_err(Failed::Broken)
    }
}

/// Tells a client that speaks HTTP what it should speak.
async fn refer(stream: TcpStream) {
    let why = "This port speaks TLS alone. Please use https:// or wss://.";
    refusal::tell(stream, &refusal::answer("400 Bad Request", "", "Bad request", why)).await;
}
