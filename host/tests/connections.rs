//! What the server promises of connections: their number, their idleness, their end.
#![allow(clippy::unwrap_used)]
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sukkal::metrics::Metrics;
use sukkal::shutdown::{self, Stopper};
use sukkal::transport::rest::server;
use sukkal::transport::{Connections, Unread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use warp::Filter;
use warp::reply::Response;

const PATIENCE: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    stopper: Stopper,
    /// How many requests have reached it.
    begun: Arc<AtomicUsize>,
    ended: JoinHandle<()>,
}

/// A server that answers each request after a while.
async fn server(max: u32, idle: Duration, thinking: Duration) -> Server {
    let meter = Metrics::new(false).unwrap().connections("rest");
    server_of(Connections::new(max, "max", meter), idle, thinking).await
}

async fn server_of(connections: Connections, idle: Duration, thinking: Duration) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let begun = Arc::new(AtomicUsize::new(0));
    let reached = begun.clone();
    let filter = warp::body::bytes().then(move |_body| {
        reached.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(thinking).await;
            Response::new("done".into())
        }
    });
    let (stopper, stop) = shutdown::channel();
    let terms = server::Terms { idle, unread: Unread::new(usize::MAX) };
    let ended = tokio::spawn(server::run(listener, filter, connections, terms, stop));
    Server { address, stopper, begun, ended }
}

async fn ask(connection: &mut TcpStream) {
    connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
}

/// Reads until an answer of the test's server is whole, or the connection ends.
async fn answer(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let reading = async { while !text.ends_with(b"done") && connection.read_buf(&mut text).await.unwrap() > 0 {} };
    timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = server(1, PATIENCE, Duration::ZERO).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    ask(&mut first).await;
    assert!(answer(&mut first).await.starts_with("HTTP/1.1 200"));
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let refusal = answer(&mut second).await;
    let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503") && head.ends_with(&format!("content-length: {}", body.len())), "{head}");
    ask(&mut first).await;
    assert!(answer(&mut first).await.ends_with("done"));
}

#[tokio::test]
async fn listeners_share_what_room_there_is() {
    let one = Connections::new(2, "max", Metrics::new(false).unwrap().connections("rest"));
    let one = Connections { max: 9, ..one };
    let (first, second) =
        (server_of(one.clone(), PATIENCE, Duration::ZERO).await, server_of(one, PATIENCE, Duration::ZERO).await);
    let mut taken = Vec::new();
    for address in [first.address, second.address] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        ask(&mut connection).await;
        assert!(answer(&mut connection).await.ends_with("done"));
        taken.push(connection);
    }
    let mut third = TcpStream::connect(first.address).await.unwrap();
    assert!(answer(&mut third).await.starts_with("HTTP/1.1 503"));
    // One that ends makes room on the other listener.
    taken.pop();
    let has_room = async {
        loop {
            let mut next = TcpStream::connect(first.address).await.unwrap();
            let _ = next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            let mut answer = Vec::new();
            let _ = next.read_buf(&mut answer).await;
            if answer.starts_with(b"HTTP/1.1 200") {
                return;
            }
        }
    };
    timeout(PATIENCE, has_room).await.unwrap();
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_closed() {
    let server = server(9, Duration::from_secs(1), Duration::from_secs(2)).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    assert_eq!(answer(&mut half).await, "");
    // A request that is being answered is no idleness, however long it takes.
    let mut asking = TcpStream::connect(server.address).await.unwrap();
    ask(&mut asking).await;
    assert!(answer(&mut asking).await.ends_with("done"));
    assert_eq!(answer(&mut asking).await, "");
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_answers_requests_under_way() {
    let server = server(9, PATIENCE, Duration::from_millis(300)).await;
    let mut fresh = TcpStream::connect(server.address).await.unwrap();
    let mut kept = TcpStream::connect(server.address).await.unwrap();
    ask(&mut kept).await;
    answer(&mut kept).await;
    let mut asking = TcpStream::connect(server.address).await.unwrap();
    ask(&mut asking).await;
    let is_under_way = async {
        while server.begun.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, is_under_way).await.unwrap();
    server.stopper.stop();
    assert_eq!((answer(&mut fresh).await, answer(&mut kept).await), (String::new(), String::new()));
    assert!(TcpStream::connect(server.address).await.is_err());
    assert!(answer(&mut asking).await.ends_with("done"));
    timeout(PATIENCE, server.ended).await.unwrap().unwrap();
}
