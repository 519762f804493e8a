//! Limits how often a project may do what: a token bucket for each project and family of actions.
#![forbid(unsafe_code)]

mod buckets;
mod family;
mod settings;

use std::time::Duration;

use sukkal_plugin_sdk::{Call, Error, Filter, Host, Interest, Moment, Open, Request, Response, Result, Verdict};

use crate::buckets::Buckets;
use crate::family::Family;
use crate::settings::Settings;

sukkal_plugin_sdk::export_plugin! {
    settings: settings::Settings,
    filters: { "rate-limit" => RateLimit::open },
    check: |_: &str, settings| buckets(&settings).map(drop),
    runtime: none,
}

/// Refuses requests of projects that ask too often.
pub struct RateLimit {
    buckets: Vec<(Family, Buckets)>,
    status: u16,
    host: Host,
}

impl RateLimit {
    /// Makes the buckets of the families that have a limit.
    ///
    /// # Errors
    /// `Invalid`: a rate, a burst or the status is out of range.
    pub async fn open(open: Open<Settings>) -> Result<Self> {
        let Open { settings, host, .. } = open;
        Ok(RateLimit { buckets: buckets(&settings)?, status: settings.status, host })
    }

    fn refusal(&self, wait: Duration) -> Response {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let text = format!("The project's rate limit is exceeded. Please try again in {seconds} seconds.");
        let mut response = Response::error(self.status, "Service temporarily unavailable", &text);
        response.headers_mut().add("retry-after", &seconds.to_string());
        response
    }
}

/// The buckets of the families that have a limit.
fn buckets(settings: &Settings) -> Result<Vec<(Family, Buckets)>> {
    if !matches!(settings.status, 400..=599) {
        return Err(Error::invalid(format!("status must be 400 to 599, not {}", settings.status)));
    }
    let limited = Family::ALL.into_iter().filter_map(|family| Some((family, settings.limit(family)?)));
    let buckets =
        |(family, limit): (Family, _)| Ok((family, Buckets::new(family.name(), limit, settings.max_projects)?));
    limited.map(buckets).collect()
}

impl Filter for RateLimit {
    type State = ();

    fn interest(&self) -> Interest {
        let limited = self.buckets.iter().flat_map(|(family, _)| family.actions());
        Interest::none().on(Moment::Request, &limited.collect::<Vec<_>>())
    }

    async fn request(&self, _call: &Call, _state: &mut (), request: &mut Request) -> Result<Verdict> {
        let family = Family::of(request.action());
        let Some((family, buckets)) = self.buckets.iter().find(|(limited, _)| Some(*limited) == family) else {
            return Ok(Verdict::Continue);
        };
        match buckets.take(request.project()) {
            Ok(()) => Ok(Verdict::Continue),
            Err(wait) => {
                self.host.count("rate_limited_total", &[("family", family.name())], 1);
                Ok(Verdict::Respond(self.refusal(wait)))
            }
        }
    }
}
