//! Messages that are posted together.

use serde_json::value::RawValue;

use super::Options;

/// The most bytes of one post; servers take 256 KiB unless they are told otherwise.
pub const MOST_BYTES: usize = 128 * 1024;
/// The most messages of one post.
const MOST: u64 = 500;
/// What a message has beside its body, at the most.
const AROUND: usize = 64;

/// Messages that wait to be posted.
#[derive(Default)]
pub struct Batch {
    messages: String,
    n: u64,
    /// How many messages were taken last.
    pub last: u64,
}

impl Batch {
    /// Whether a body may be added; a batch of one may have any size.
    pub fn has_room(&self, body: &str) -> bool {
        self.n == 0 || (self.n < MOST && self.messages.len() + body.len() + AROUND <= MOST_BYTES)
    }

    /// Adds a body.
    ///
    /// # Errors
    /// It is no JSON value.
    pub fn push(&mut self, body: &str, options: &Options) -> Result<(), String> {
        let quoted;
        let body = if options.text {
            quoted = serde_json::Value::from(body).to_string();
            &quoted
        } else {
            serde_json::from_str::<&RawValue>(body).map_err(|error| no_json(body, &error))?.get()
        };
        if self.n > 0 {
            self.messages.push(',');
        }
        self.messages.push('{');
        for (key, value) in [("ttl", options.ttl), ("delay", options.delay)] {
            if let Some(value) = value {
                self.messages.push_str(&format!("\"{key}\":{value},"));
            }
        }
        self.messages.push_str("\"body\":");
        self.messages.push_str(body);
        self.messages.push('}');
        self.n += 1;
        Ok(())
    }

    /// The document to be posted, if there is something.
    pub fn take(&mut self) -> Option<String> {
        let messages = std::mem::take(&mut self.messages);
        self.last = std::mem::take(&mut self.n);
        (self.last > 0).then(|| format!("{{\"messages\":[{messages}]}}"))
    }
}

fn no_json(body: &str, error: &serde_json::Error) -> String {
    const SHOWN: usize = 40;
    let shown: String = body.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect();
    let more = if body.chars().count() > SHOWN { "…" } else { "" };
    format!("`{shown}{more}` is no JSON value ({error}); quote it as \"…\", or post texts with --text")
}
