//! The host's own accept loop and warp layer answering a constant, with nothing behind: the most
//! that any answer over HTTP can reach on a machine. Benchmarks compare the host with it.
//!
//! `cargo run --release --example ceiling [ADDRESS]`
#![forbid(unsafe_code)]

use std::time::Duration;

use sukkal::metrics::Metrics;
use sukkal::shutdown;
use sukkal::transport::rest::server;
use sukkal::transport::{Connections, Unread};
use tokio::net::TcpListener;
use warp::Filter;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use warp::reply::Response;

const ID: &str = "0123456789abcdef0123456789";

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8899".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let filter = warp::body::bytes().map(|_body| created());
    let (_stopper, stop) = shutdown::channel();
    let meter = Metrics::new(false).map_err(std::io::Error::other)?.connections("rest");
    let connections = Connections::new(10_000, "none", meter);
    let terms = server::Terms { idle: Duration::from_secs(60), unread: Unread::new(usize::MAX) };
    server::run(listener, filter, connections, terms, stop).await;
    Ok(())
}

/// As the answer to a post of one message.
fn created() -> Response {
    let mut response = Response::new(format!(r#"{{"resources":["/v2/queues/q/messages/{ID}"]}}"#).into());
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(location) = HeaderValue::from_str(&format!("/v2/queues/q/messages?ids={ID}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
