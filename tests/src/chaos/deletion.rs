//! Deletes a queue, whoever must be asked; posts make it anew.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use tokio::time::sleep;

use crate::checker::ledger::Ledger;
use crate::checker::lock;
use crate::checker::workers::Reach;

/// What a host that ended had asked of a store has taken effect by then, or never will.
const SETTLED: Duration = Duration::from_secs(1);

/// Repeats the deletion until it is answered. It waits for each answer as long as the connection lasts: a
/// host that stood still must not delete the next queue of that name.
pub async fn delete(reach: Reach, ledger: Arc<Mutex<Ledger>>, mut chance: StdRng) {
    let path = {
        let mut ledger = lock(&ledger);
        ledger.deleting_queue();
        format!("/v2/queues/{}", ledger.queue)
    };
    loop {
        let client = reach.any(&mut chance);
        match client.request("DELETE", &path).try_send().await {
            Ok(answer) if answer.status == 204 => break,
            Ok(answer) if answer.status != 503 => {
                lock(&ledger).broken(format!("the deletion is answered with {}: {}", answer.status, answer.text()));
            }
            _ => {}
        }
        sleep(SETTLED).await;
    }
    lock(&ledger).deleted_queue();
}
