//! The listener of the REST API.

use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::connection;
use crate::shutdown::Stop;
use crate::transport::accept::{self, Connections};

/// Serves connections until the host stops, and then until all are closed. A connection on which
/// nothing moves for `idle` is closed (at the latest after twice as long): idle ones, and those
/// whose client does not send or read on.
pub async fn run<F>(listener: TcpListener, filter: F, connections: Connections, idle: Duration, stop: Stop)
where
    F: Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    let service = TowerToHyperService::new(warp::service(filter));
    accept::run(listener, connections, stop, move |stream, stop| {
        connection::serve(stream, service.clone(), idle, stop)
    })
    .await;
}
