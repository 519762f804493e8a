//! A reader that follows the queue by its marker, over all restarts.

use std::sync::Mutex;

use super::ledger::{Ledger, Number};
use super::{lock, numbered};
use crate::rest::Client;

/// Reads a page and says whether it led any further; none without an answer.
pub async fn read(client: &Client, ledger: &Mutex<Ledger>, reader: usize) -> Option<bool> {
    let (ask, queue) = {
        let ledger = lock(ledger);
        (ledger.asking(reader), ledger.queue.clone())
    };
    let marker = ask.marker.as_ref().map(|marker| format!("&marker={marker}")).unwrap_or_default();
    let query = format!("echo=true&include_claimed=true&include_delayed=true&limit=1000{marker}");
    let answer = client.request("GET", &format!("/v2/queues/{queue}/messages?{query}")).try_send().await.ok()?;
    let page = answer.json();
    let messages: Vec<(Number, String)> = page["messages"].as_array()?.iter().map(numbered).collect();
    Some(lock(ledger).page(&ask, &messages))
}
