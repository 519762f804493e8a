//! What operators and their programs ask the host: metrics, health, plugins.
//!
//! It has a listener of its own, which is there before the stores are opened and until they are
//! closed. Whoever reaches it needs no identity, so it listens on the machine itself by default.

mod page;
mod plugins;
mod queues;
mod ready;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use warp::http::{Method, StatusCode};
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use self::page::Page;
use crate::metrics::Metrics;
use crate::running::Running;

/// What the pages show.
pub struct Admin {
    metrics: Arc<Metrics>,
    running: OnceLock<Arc<Running>>,
    stopping: AtomicBool,
}

/// The pages, and what each is for.
const PAGES: [(&str, &str); 5] = [
    ("/live", "whether the process lives"),
    ("/ready", "whether it can serve requests"),
    ("/metrics", "what it counts, for Prometheus"),
    ("/metrics/queues?project=PROJECT", "how deep a project's queues are, for Prometheus"),
    ("/plugins", "the plugins, and what is in use of them"),
];

impl Admin {
    /// The host is starting.
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Admin { metrics, running: OnceLock::new(), stopping: AtomicBool::new(false) })
    }

    /// The host has started.
    pub fn started(&self, running: Arc<Running>) {
        // It starts once.
        let _ = self.running.set(running);
    }

    /// The host is about to stop.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The pages as a warp filter, which answers every request.
    pub fn filter(self: Arc<Self>) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
        warp::method().and(warp::path::full()).and(query()).and_then(move |method, path: FullPath, query| {
            let admin = self.clone();
            async move { Ok::<_, Rejection>(admin.answer(&method, path.as_str(), query).await.response()) }
        })
    }

    async fn answer(&self, method: &Method, path: &str, query: String) -> Page {
        if method != Method::GET && method != Method::HEAD {
            return Page::text(StatusCode::METHOD_NOT_ALLOWED, "the pages can only be read\n".to_owned());
        }
        match path {
            "/" => Page::text(StatusCode::OK, PAGES.map(|(path, what)| format!("{path}: {what}\n")).concat()),
            "/live" => Page::text(StatusCode::OK, "live\n".to_owned()),
            "/ready" => ready::page(self).await,
            "/metrics" => Page::metrics(self.metrics.render()),
            "/metrics/queues" => queues::page(self.running.get().map(|running| &**running), &query).await,
            "/plugins" => plugins::page(self.running.get().map(|running| &**running)),
            _ => Page::text(StatusCode::NOT_FOUND, "there is no such page\n".to_owned()),
        }
    }
}

fn query() -> impl Filter<Extract = (String,), Error = Infallible> + Copy {
    warp::query::raw().or(warp::any().map(String::new)).unify()
}
