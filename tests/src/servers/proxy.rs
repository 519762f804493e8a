//! A wire between two that a test can cut, in more than one way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Hands on what is sent to its port.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    connections: Arc<Mutex<JoinSet<()>>>,
    accepting: tokio::task::JoinHandle<()>,
    fault: Arc<Fault>,
}

/// What the wire does wrong.
#[derive(Debug, Default)]
struct Fault {
    swallows: AtomicBool,
    answers_to_lose: AtomicUsize,
    word: Mutex<Option<&'static str>>,
}

impl Proxy {
    /// A wire to a port of this machine.
    pub async fn to(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port can be had");
        let port = listener.local_addr().expect("a listener has an address").port();
        let (connections, fault) = (Arc::new(Mutex::new(JoinSet::new())), Arc::new(Fault::default()));
        let (kept, faults) = (connections.clone(), fault.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let fault = faults.clone();
                kept.lock().expect("nobody panics").spawn(async move {
                    if let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await {
                        fault.pass(near, far).await;
                    }
                });
            }
        });
        Proxy { port, connections, accepting, fault }
    }

    /// Where to connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections that there are.
    pub fn cut(&self) {
        self.connections.lock().expect("nobody panics").abort_all();
    }

    /// From now on nothing arrives, and nobody is told: connections stay open. Those stay so for good.
    pub fn swallow(&self) {
        self.fault.swallows.store(true, Ordering::SeqCst);
    }

    /// The connection over which this word goes next hands on nothing more in that direction, the word neither.
    /// It stays open, and so for good.
    pub fn swallow_from(&self, word: &'static str) {
        *self.fault.word.lock().expect("nobody panics") = Some(word);
    }

    /// Whether that word has come.
    pub fn has_swallowed(&self) -> bool {
        self.fault.word.lock().expect("nobody panics").is_none()
    }

    /// New connections are handed on again.
    pub fn restore(&self) {
        self.fault.swallows.store(false, Ordering::SeqCst);
    }

    /// The next answers of the server are lost, each with its connection: what was asked for is done, and
    /// whoever asked does not learn it.
    pub fn lose_answers(&self, count: usize) {
        self.fault.answers_to_lose.store(count, Ordering::SeqCst);
    }

    /// How many answers are still to be lost.
    pub fn answers_to_lose(&self) -> usize {
        self.fault.answers_to_lose.load(Ordering::SeqCst)
    }
}

impl Fault {
    async fn pass(&self, near: TcpStream, far: TcpStream) {
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        // Either side may go whenever it likes.
        tokio::select! {
            () = self.pump(near_in, far_out, false) => {}
            () = self.pump(far_in, near_out, true) => {}
        }
    }

    /// Whether these bytes hold the word from which on nothing more is to be handed on.
    fn is_last(&self, bytes: &[u8]) -> bool {
        let mut word = self.word.lock().expect("nobody panics");
        let is_last = word.is_some_and(|word| bytes.windows(word.len()).any(|part| part == word.as_bytes()));
        if is_last {
            *word = None;
        }
        is_last
    }

    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, answers: bool) {
        let (mut buffer, mut swallowed) = (vec![0; 64 * 1024], false);
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            swallowed |= self.swallows.load(Ordering::SeqCst) || self.is_last(&buffer[..length]);
            if swallowed {
                continue;
            }
            let fewer = |count: usize| count.checked_sub(1);
            let lose = || self.answers_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok();
            if answers && lose() {
                return;
            }
            if to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
