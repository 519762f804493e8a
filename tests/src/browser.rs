//! A page in a real browser.

use std::convert::Infallible;
use std::process::{Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::eventually::{SOON, eventually};

/// A site with one page, which sends what it has seen to `/seen`.
#[derive(Debug)]
pub struct Site {
    port: u16,
    seen: mpsc::Receiver<Value>,
}

impl Site {
    /// Serves a page.
    pub async fn of(page: &'static str) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let port = listener.local_addr().expect("it has an address").port();
        let (send, seen) = mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let send = send.clone();
                let answer = service_fn(move |request| answer(request, page, send.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Site { port, seen }
    }

    /// The origin of its pages.
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Opens the page in a browser without a window, and waits for what it has seen.
    ///
    /// # Panics
    /// When nothing comes: the browser is not installed, or the page fails.
    pub async fn visit(&mut self, query: &str) -> Value {
        let profile = TempDir::with_prefix("sukkal-browser-").expect("a temporary folder can be made");
        let flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
        let mut browser = Command::new("chromium")
            .args(flags)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("{}/?{query}", self.origin()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is installed: run `cargo xtask test` once, or apt-get install chromium");
        let seen = eventually("the page tells what it has seen", 9 * SOON, async || self.seen.try_recv().ok()).await;
        browser.kill().expect("a process of ours can be killed");
        browser.wait().expect("a process of ours can be waited for");
        seen
    }
}

async fn answer(
    request: Request<Incoming>,
    page: &'static str,
    seen: mpsc::Sender<Value>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::POST {
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let _ = seen.send(serde_json::from_slice(&body).unwrap_or_default()).await;
        return Ok(Response::default());
    }
    Ok(Response::builder()
        .header("content-type", "text/html; charset=utf-8")
        .body(Full::from(page))
        .unwrap_or_default())
}
