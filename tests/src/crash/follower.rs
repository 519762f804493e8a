//! A reader that follows the queue by its marker, over all restarts.

use std::collections::HashSet;
use std::time::Duration;

use super::QUEUE;
use super::ledger::Number;
use super::workers::numbered;
use crate::rest::Client;

/// What it has read so far.
#[derive(Debug, Default)]
pub struct Follower {
    marker: Option<String>,
    /// Each number that it was shown.
    pub seen: HashSet<Number>,
    /// Numbers that it was shown a second time.
    pub repeated: Vec<Number>,
}

impl Follower {
    /// Reads on until the host no longer answers.
    pub async fn follow(mut self, client: Client) -> Follower {
        while let Some(n_messages) = self.read(&client).await {
            if n_messages == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        self
    }

    /// Reads a page and says how long it was; none without an answer.
    pub async fn read(&mut self, client: &Client) -> Option<usize> {
        let marker = self.marker.as_ref().map(|marker| format!("&marker={marker}")).unwrap_or_default();
        let query = format!("echo=true&include_claimed=true&include_delayed=true&limit=1000{marker}");
        let answer = client.request("GET", &format!("/v2/queues/{QUEUE}/messages?{query}")).try_send().await.ok()?;
        let page = answer.json();
        let messages = page["messages"].as_array()?;
        for (number, id) in messages.iter().map(numbered) {
            if !self.seen.insert(number) {
                self.repeated.push(number);
            }
            self.marker = Some(id);
        }
        Some(messages.len())
    }
}
