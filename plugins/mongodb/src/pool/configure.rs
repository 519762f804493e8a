//! Making and replacing a queue's header, and what else is asked for in a queue.

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Header, Lane, Result};

use super::head::NEVER;
use super::line::{Answer, Ask};
use super::state::MAIN;
use super::visit::Visit;
use crate::error::Fail;

impl Visit<'_> {
    /// Replaces the header by one with the same or a higher epoch.
    ///
    /// # Errors
    /// `Stale`: the one that is there is newer.
    pub async fn configure(&mut self, header: &Header) -> Result<(), Fail> {
        if header.epoch < self.head.header.epoch {
            return Err(refusal::old_epoch().into());
        }
        let comes_back = self.head.header.dropping && !header.dropping;
        let rule_changes = header.dead_letter != self.head.header.dead_letter;
        self.head.header = header.clone();
        // Somebody who is served together with this one may have taken the last step of dropping it.
        self.gone &= header.dropping;
        if header.dropping {
            self.head.due = NEVER;
            // Who waits looks, and finds that it is gone.
            self.stir();
        } else if rule_changes {
            self.head.again = 0;
            if MAIN.iter().any(|state| self.head.counts[(Lane::Main, *state)] > 0) {
                self.head.recheck = Some(-1);
                self.falls_due(self.now);
            }
        }
        if comes_back {
            self.falls_due(self.now);
        }
        Ok(())
    }

    /// Does what is asked for by somebody who is admitted.
    ///
    /// # Errors
    /// The server's, and what the operations refuse.
    pub async fn serve(&mut self, ask: &Ask) -> Result<Answer, Fail> {
        Ok(match ask {
            Ask::Post(post) => Answer::Posted(self.post(post).await?),
            Ask::Claim(claim) => Answer::Claimed(self.claim(claim).await?),
            Ask::Pop(limit) => Answer::Popped(self.pop(*limit).await?),
            Ask::Renew(id, renewal) => Answer::Renewed(self.renew(*id, renewal).await?),
            Ask::Release(id, release) => {
                self.release(*id, release).await?;
                Answer::Done
            }
            Ask::Delete(delete) => Answer::Deleted(self.delete(delete).await?),
            Ask::Lease(lease) => Answer::Leased(self.lease(lease)),
            Ask::Purge(budget) => Answer::Progress(self.purge(*budget).await?),
            Ask::Import(page) => {
                self.import(page).await?;
                Answer::Done
            }
            // Those are answered whatever the caller's record says.
            Ask::Configure(_) | Ask::Drop(_) | Ask::Settle(_) => Answer::Done,
        })
    }
}
