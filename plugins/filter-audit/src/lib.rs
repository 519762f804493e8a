//! Writes a JSON line for each request: who, what, outcome, duration.
#![forbid(unsafe_code)]

mod entry;
mod lines;
mod losses;
mod trail;

use sukkal_plugin_sdk::store::within;
use sukkal_plugin_sdk::{
    Action, Call, Deserialize, Filter, Host, Interest, JsonSchema, Moment, Open, Request, Response, Result, Timestamp,
    Verdict,
};

use crate::entry::Entry;
use crate::losses::Written;
use crate::trail::Trail;

sukkal_plugin_sdk::export_plugin! {
    settings: Settings,
    filters: { "audit" => Audit::open },
    check: |_: &str, settings| check(&settings),
    runtime: none,
}

/// Settings of the audit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// The file that lines are appended to, relative to the data directory. Default `audit.jsonl`.
    /// It is opened anew after it was moved away, so it can be rotated.
    pub path: String,
    /// How many lines may wait for the disk; a request that finds no room waits for it.
    /// 1 to 10,000,000, default 10,000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub backlog: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { path: "audit.jsonl".to_owned(), backlog: 10_000 }
    }
}

fn check(settings: &Settings) -> Result<()> {
    within("backlog", settings.backlog, 1..=10_000_000)
}

/// Writes a line for each request that entered, refusals and failures too.
pub struct Audit {
    trail: Trail,
    host: Host,
}

/// When a request was admitted; zero where it was not. Not before: who authenticates, says who the client is.
#[derive(Default)]
pub struct Began(Timestamp);

impl Audit {
    /// Opens the file.
    ///
    /// # Errors
    /// `Unavailable`: it cannot be written. `Invalid`: settings out of their range.
    pub async fn open(open: Open<Settings>) -> Result<Self> {
        check(&open.settings)?;
        let path = open.host.data_dir().join(&open.settings.path);
        let host = open.host.clone();
        let counted = move |written, n_lines| match written {
            Written::Whole => host.count("audit_lines_written_total", &[], n_lines),
            Written::Lost => host.count("audit_lines_lost_total", &[], n_lines),
        };
        Ok(Audit { trail: Trail::open(path, open.settings.backlog as usize, counted).await?, host: open.host })
    }
}

impl Filter for Audit {
    type State = Began;

    fn interest(&self) -> Interest {
        Interest::none().all(Moment::Request).all(Moment::Response)
    }

    async fn request(&self, _call: &Call, began: &mut Began, _request: &mut Request) -> Result<Verdict> {
        began.0 = self.host.now();
        Ok(Verdict::Continue)
    }

    async fn response(
        &self,
        _call: &Call,
        began: &mut Began,
        request: &Request,
        response: &mut Response,
    ) -> Result<()> {
        let now = self.host.now();
        let entry = Entry::of(request, response, began.0, now);
        let line = entry.line()?;
        // A balancer that hears nothing takes the host out, which serves all the same.
        if request.action() == Action::Ping { self.trail.offer(line) } else { self.trail.write(line).await }
    }

    async fn shutdown(&self) {
        self.trail.close().await;
    }
}
