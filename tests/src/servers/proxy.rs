//! A wire between two that a test can cut.

use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Hands on what is sent to its port.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    connections: Arc<Mutex<JoinSet<()>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A wire to a port of this machine.
    pub async fn to(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port can be had");
        let port = listener.local_addr().expect("a listener has an address").port();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let kept = connections.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                kept.lock().expect("nobody panics").spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(("127.0.0.1", server)).await {
                        // Either side may go whenever it likes.
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Proxy { port, connections, accepting }
    }

    /// Where to connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections that there are.
    pub fn cut(&self) {
        self.connections.lock().expect("nobody panics").abort_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
