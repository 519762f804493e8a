//! One line.

use sukkal_plugin_sdk::{Error, Request, Response, Result, Serialize, Timestamp, serde_json};

/// How many bytes of what a request names are written. Names and ids of what there is are shorter, and whoever sends
/// something longer would choose how much of the disk it takes.
const LONGEST: usize = 128;

/// What is written of a request. Neither bodies nor headers: they may hold secrets.
#[derive(Serialize)]
#[serde(crate = "sukkal_plugin_sdk::serde")]
pub struct Entry<'a> {
    /// When it ended: milliseconds since 1970.
    time: i64,
    /// As in the host's log and the answer's `X-Openstack-Request-Id`.
    request: String,
    transport: &'static str,
    action: &'static str,
    project: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    client: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    queue: &'a str,
    /// What `queue` names: the two may have one name.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    item: &'a str,
    status: u16,
    /// Milliseconds.
    duration: u64,
}

impl<'a> Entry<'a> {
    /// The entry of a request and its answer.
    pub fn of(request: &'a Request, response: &Response, began: Timestamp, now: Timestamp) -> Self {
        let duration = if began == Timestamp::default() { 0 } else { now.since(began).as_millis() };
        Entry {
            time: now.0,
            request: request.id().to_string(),
            transport: request.transport().name(),
            action: request.action().name(),
            project: request.project(),
            user: request.identity().map(|identity| identity.user),
            client: request.client(),
            queue: cut(request.queue()),
            kind: (!request.queue().is_empty()).then(|| if request.is_topic() { "topic" } else { "queue" }),
            item: cut(request.item()),
            status: response.status(),
            duration: u64::try_from(duration).unwrap_or(u64::MAX),
        }
    }

    /// The line, with its end.
    ///
    /// # Errors
    /// `Internal`: never, as far as is known.
    pub fn line(&self) -> Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)
            .map_err(|error| Error::internal("an audit entry cannot be written").detail(error))?;
        line.push(b'\n');
        Ok(line)
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use sukkal_plugin_sdk::{Action, RequestId, Target, Transport};

    use super::*;

    #[test]
    fn nobody_chooses_how_long_a_line_is() -> Result<()> {
        let mut request = Request::new(RequestId(1), Action::MessageGet, Transport::Websocket);
        let line = |request: &Request| {
            Entry::of(request, &Response::new(404), Timestamp::default(), Timestamp::default()).line()
        };
        request.set_target(Target { queue: "\0".repeat(300_000), topic: false, item: "œ".repeat(300_000) });
        assert!(line(&request)?.len() < 2_000);
        request.set_target(Target { queue: "q".repeat(64), topic: false, item: "œ".repeat(64) });
        let whole = String::from_utf8_lossy(&line(&request)?).into_owned();
        assert!(whole.contains(&"q".repeat(64)) && whole.contains(&"œ".repeat(64)), "{whole}");
        Ok(())
    }
}
