//! The listener of the REST API.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::connection;
use crate::shutdown::Stop;
use crate::transport::Unread;
use crate::transport::accept::{self, Connections};

/// Under which connections are served.
pub struct Terms {
    /// How long nothing may move on one: it is closed then (at the latest after twice as long), be it idle, or its
    /// client slow to send or read on.
    pub idle: Duration,
    /// What the clients of all of them have not read of long answers. While it is too much, those are closed whose clients
    /// do not read on.
    pub unread: Arc<Unread>,
}

/// Serves connections until the host stops, and then until all are closed.
pub async fn run<F>(listener: TcpListener, filter: F, connections: Connections, terms: Terms, stop: Stop)
where
    F: Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    let service = TowerToHyperService::new(warp::service(filter));
    let terms = Arc::new(terms);
    accept::run(listener, connections, stop, move |stream, stop| {
        let (service, terms) = (service.clone(), terms.clone());
        async move { connection::serve(stream, service, &terms, stop).await }
    })
    .await;
}
