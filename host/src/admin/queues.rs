//! How deep a project's queues are, in Prometheus' text format. On request alone: queues are the
//! clients' to make, and there is no bound on them.

use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};
use sukkal_core::{Depths, ErrorKind};
use warp::http::StatusCode;

use super::page::Page;
use crate::metrics::{self, text};
use crate::percent;
use crate::running::Running;
use crate::transport::rest::params;

/// How many queues a page has, where nothing is said, and at the most.
const PAGE: u32 = 100;
const WIDEST: u32 = 1_000;

/// A page of metrics: `project`, and perhaps `marker` and `limit`.
pub async fn page(running: Option<&Running>, query: &str) -> Page {
    let Some(running) = running else { return Page::starting() };
    let params = params(query);
    let Some(project) = params.get("project").filter(|project| !project.is_empty()) else {
        return wrong("say which project: /metrics/queues?project=PROJECT");
    };
    let limit = match params.get("limit").map(str::parse::<u32>) {
        None => PAGE,
        Some(Ok(limit @ 1..=WIDEST)) => limit,
        Some(_) => return wrong(&format!("limit must be a whole number from 1 to {WIDEST}")),
    };
    match running.engine.depths(project, params.get("marker"), limit).await {
        Ok(depths) => match render(project, &depths) {
            Ok(body) => Page::metrics(body).followed_by(depths.next.map(|marker| next(project, &marker, limit))),
            Err(error) => Page::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        Err(error) if error.kind == ErrorKind::BadValue => wrong(&error.message),
        Err(error) => {
            tracing::warn!(%error, "the depths of queues could not be read");
            Page::text(StatusCode::SERVICE_UNAVAILABLE, "the queues cannot be read now\n".to_owned())
        }
    }
}

fn wrong(what: &str) -> Page {
    Page::text(StatusCode::BAD_REQUEST, format!("{what}\n"))
}

fn next(project: &str, marker: &str, limit: u32) -> String {
    let limit = limit.to_string();
    let pairs = [("project", project), ("marker", marker), ("limit", limit.as_str())];
    format!("/metrics/queues?{}", percent::query(pairs.into_iter()))
}

fn render(project: &str, depths: &Depths) -> Result<String, metrics::Error> {
    let registry = Registry::new();
    let messages = Opts::new("sukkal_queue_messages", "Messages of a queue, by state.");
    let messages = IntGaugeVec::new(messages, &["project", "queue", "state"])?;
    let ages = Opts::new("sukkal_queue_oldest_message_age_seconds", "The age of a queue's first message.");
    let ages = GaugeVec::new(ages, &["project", "queue"])?;
    let unanswered = Opts::new("sukkal_queues_unanswered", "Queues of this page whose pools did not answer.");
    let unanswered = IntGaugeVec::new(unanswered, &["project"])?;
    let truncated = Opts::new("sukkal_queues_truncated", "1 where the project has more queues than this page.");
    let truncated = IntGaugeVec::new(truncated, &["project"])?;
    for family in [&messages, &unanswered, &truncated] {
        registry.register(Box::new(family.clone()))?;
    }
    registry.register(Box::new(ages.clone()))?;
    for depth in &depths.queues {
        let queue = depth.queue.as_str();
        for (state, number) in [("free", depth.free), ("claimed", depth.claimed), ("exhausted", depth.exhausted)] {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            messages.with_label_values(&[project, queue, state]).set(number);
        }
        if let Some(age) = depth.oldest {
            ages.with_label_values(&[project, queue]).set(age.as_secs_f64());
        }
    }
    unanswered.with_label_values(&[project]).set(i64::try_from(depths.unanswered).unwrap_or(i64::MAX));
    truncated.with_label_values(&[project]).set(i64::from(depths.next.is_some()));
    Ok(text(&registry.gather()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_has_the_project_as_it_was_typed() {
        assert_eq!(next("p 1&x", "q.a", 7), "/metrics/queues?project=p%201%26x&marker=q.a&limit=7");
        assert_eq!(params("project=p%201%26x").get("project"), Some("p 1&x"));
    }
}
