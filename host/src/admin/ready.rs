//! Whether the host can serve requests: once its stores are open, while the catalog and the default
//! pool answer, and until it is told to stop.

use warp::http::StatusCode;

use super::Admin;
use super::page::Page;

/// 200, or 503 with the reason. The stores are asked once in a while, however often this is read.
pub async fn page(admin: &Admin) -> Page {
    match reason(admin).await {
        None => Page::text(StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => Page::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn reason(admin: &Admin) -> Option<String> {
    if admin.is_stopping() {
        return Some("the host is stopping".to_owned());
    }
    match admin.running.get() {
        None => Some("the host is starting".to_owned()),
        Some(running) => running.engine.unready().await,
    }
}
