//! A host within this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sukkal::metrics::Metrics;
use sukkal::shutdown::{self, Stop, Stopper};
use sukkal::transport::rest::{Rest, server};
use sukkal::transport::{Connections, Origins, Unread, ws};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;

use crate::service;

/// After so many requests a host is given up for a new one.
const OLD: u32 = 20_000;
/// How long an answer may take. Nothing waits for a message here.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A host, its clients' connections, and the one thread on which both run.
pub struct Host {
    /// Where the target's own work runs.
    pub runtime: Runtime,
    /// A websocket, once one is open.
    pub socket: Option<WebSocketStream<TcpStream>>,
    /// A connection to the REST API, once one is open.
    pub wire: Option<TcpStream>,
    rest: SocketAddr,
    websocket: SocketAddr,
    n_projects: u32,
    n_requests: u32,
    _stopper: Stopper,
}

impl Host {
    /// Starts one on the memory plugin, with everything switched on.
    ///
    /// # Panics
    /// The plugin has not been built.
    pub fn start() -> Host {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (stopper, stop) = shutdown::channel();
        let (rest, websocket) = runtime.block_on(serve(stop));
        let (socket, wire) = (None, None);
        Host { runtime, socket, wire, rest, websocket, n_projects: 0, n_requests: 0, _stopper: stopper }
    }

    /// Whether enough has gathered in it.
    pub fn is_old(&self) -> bool {
        self.n_requests >= OLD
    }

    /// A project that nobody has used yet, as long as what stands for it.
    pub fn project(&mut self, letter: char) -> String {
        self.n_projects += 1;
        format!("{letter}{:08}", self.n_projects)
    }

    /// A connection to the REST API, and the runtime.
    pub fn wire(&mut self) -> (&Runtime, &mut Option<TcpStream>) {
        self.n_requests += 1;
        if self.wire.is_none() {
            self.wire = Some(self.runtime.block_on(connect(self.rest)));
        }
        (&self.runtime, &mut self.wire)
    }

    /// A websocket, and the runtime.
    pub fn socket(&mut self) -> (&Runtime, &mut Option<WebSocketStream<TcpStream>>) {
        self.n_requests += 1;
        if self.socket.is_none() {
            let address = self.websocket;
            self.socket = Some(self.runtime.block_on(async {
                let shaken = tokio_tungstenite::client_async(format!("ws://{address}/"), connect(address).await);
                shaken.await.expect("the host takes websockets").0
            }));
        }
        (&self.runtime, &mut self.socket)
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("the host takes connections");
    stream.set_nodelay(true).expect("a socket can be set up");
    stream
}

async fn serve(stop: Stop) -> (SocketAddr, SocketAddr) {
    let engine = service::start().await;
    let (listeners, addresses) = (listen().await, listen().await);
    let ((rest, rest_address), (websocket, websocket_address)) = (listeners, addresses);
    let metrics = Metrics::new(false).expect("metrics can be set up");
    let connections = |name: &str| Connections::new(16, "none", metrics.connections(name));
    let unread = Unread::new(16 << 20);
    let api = Rest { engine: engine.clone(), body_timeout: PATIENCE, cors: None, unread: unread.clone() };
    let terms = server::Terms { idle: PATIENCE * 6, unread: unread.clone() };
    tokio::spawn(server::run(rest, Arc::new(api).filter(), connections("rest"), terms, stop.clone()));
    let limits = ws::Limits { max_unread: 16 << 20, idle_timeout: PATIENCE * 60, ping_interval: PATIENCE * 60 };
    let terms = ws::server::Terms { limits, unread, origins: Origins::default() };
    tokio::spawn(ws::server::run(websocket, "fuzz".to_owned(), engine, connections("websocket"), terms, stop));
    (rest_address, websocket_address)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    (listener, address)
}
