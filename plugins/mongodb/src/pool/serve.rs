//! What one transaction does for those who are served together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::ClientSession;
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{QueueId, Result, Swept};

use super::id;
use super::line::{Answer, Ask, Ticket};
use super::shared::Shared;
use super::visit::Visit;
use crate::error::{Fail, timed_out};
use crate::server::{Step, Work};

/// What is settled in one transaction at the most.
pub const STEP: u32 = 500;
/// How long who only sweeps tries to enter a queue in which somebody else is at work: a transaction that was
/// abandoned, by a host that was killed for instance, may hold it for a minute.
const TRIES: Duration = Duration::from_millis(200);

/// Those who are served by one transaction.
pub struct Served<'t> {
    shared: &'t Arc<Shared>,
    id: QueueId,
    tickets: &'t [Ticket],
    /// What was settled on the way.
    swept: Swept,
    begun: Instant,
}

/// What a transaction came to.
pub enum Came {
    /// To its end.
    Answers(Vec<Result<Answer>>),
    /// More has to be settled before anybody can be served.
    Again(Swept),
}

impl<'t> Served<'t> {
    /// Those with these tickets.
    pub fn new(shared: &'t Arc<Shared>, id: QueueId, tickets: &'t [Ticket]) -> Served<'t> {
        Served { shared, id, tickets, swept: Swept::default(), begun: Instant::now() }
    }

    /// Serves them, in as many transactions as there is to settle before.
    ///
    /// # Errors
    /// The server's: nobody was served, or nobody knows.
    pub async fn until_done(&mut self, limit: Duration) -> Result<Vec<Result<Answer>>> {
        let ends = Instant::now() + limit;
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(timed_out());
            }
            let server = &self.shared.server;
            match server.transaction(left, self).await? {
                Came::Answers(answers) => return Ok(answers),
                Came::Again(swept) => self.swept = swept,
            }
        }
    }

    /// Whether nobody needs anything of the queue now.
    fn only_sweeps(&self) -> bool {
        self.tickets.iter().all(|ticket| matches!(ticket.ask, Ask::Settle(_)))
    }

    /// Makes the queue, where somebody asks for that; others are served when it is there.
    async fn make(&self, session: &mut ClientSession) -> Result<Step<Came>, Fail> {
        let header = |ticket: &'t Ticket| match &ticket.ask {
            Ask::Configure(header) => Some((&ticket.queue, header)),
            _ => None,
        };
        let Some((queue, header)) = self.tickets.iter().find_map(header) else {
            return Ok(Step::Abort(Came::Answers(self.tickets.iter().map(nothing).collect())));
        };
        let mut visit = Visit::new(self.shared, session, queue);
        visit.configure(header).await?;
        visit.finish().await?;
        let alone = self.tickets.len() == 1;
        Ok(Step::Commit(if alone { Came::Answers(vec![Ok(Answer::Done)]) } else { Came::Again(self.swept) }))
    }

    async fn answer(&self, visit: &mut Visit<'_>, ticket: &Ticket, swept: &Swept) -> Result<Result<Answer>, Fail> {
        // A header is made, replaced and dropped whatever the caller's record says.
        let answer = match &ticket.ask {
            Ask::Configure(header) => visit.configure(header).await.map(|()| Answer::Done),
            Ask::Drop(budget) => visit.drop_queue(&ticket.queue, *budget).await.map(Answer::Progress),
            Ask::Settle(_) => Ok(Answer::Swept(*swept)),
            ask => match visit.admit(&ticket.queue) {
                Ok(()) => visit.serve(ask).await,
                Err(error) => Err(error.into()),
            },
        };
        match answer {
            // Refusals are one caller's; what the server says concerns the transaction.
            Err(Fail::Ours(error)) => Ok(Err(error)),
            Err(fail) => Err(fail),
            Ok(answer) => Ok(Ok(answer)),
        }
    }

    /// Settles first, where somebody needs that; false if more is to be settled than one step may.
    async fn prepare(&self, visit: &mut Visit<'_>, swept: &mut Swept) -> Result<bool, Fail> {
        let most = self.tickets.iter().filter_map(|ticket| match ticket.ask {
            Ask::Claim(_) | Ask::Pop(_) => Some(STEP),
            Ask::Settle(limit) => Some(limit.min(STEP)),
            _ => None,
        });
        let Some(most) = most.max() else { return Ok(true) };
        // Who only sweeps comes again; who claims must see all that is due.
        let claims = !self.only_sweeps();
        if visit.head.header.dropping {
            visit.head.due = super::head::NEVER;
            return Ok(true);
        }
        let settled = visit.settle(most, swept).await?;
        swept.more = settled >= most;
        if !swept.more && !self.tickets.iter().all(|ticket| matches!(ticket.ask, Ask::Pop(_))) {
            swept.more = visit.bury(most - settled, swept).await? >= most - settled;
        }
        Ok(!(swept.more && claims))
    }

    /// Reads the claims and keys that are asked for, together.
    async fn read_kept(&self, visit: &mut Visit<'_>) -> Result<(), Fail> {
        let mut names = Vec::new();
        for ticket in self.tickets {
            match &ticket.ask {
                Ask::Post(post) => names.extend(post.key.as_ref().map(|key| id::key(self.id, key))),
                Ask::Claim(claim) => names.push(id::claim(self.id, claim.id)),
                Ask::Renew(claim, _) | Ask::Release(claim, _) => names.push(id::claim(self.id, *claim)),
                _ => {}
            }
            visit.wanted += match ticket.ask {
                Ask::Claim(ref claim) => i64::from(claim.limit),
                Ask::Pop(limit) => i64::from(limit),
                _ => 0,
            };
        }
        visit.keep(names).await
    }
}

impl Work for Served<'_> {
    type Done = Came;

    async fn on(&mut self, session: &mut ClientSession) -> Result<Step<Came>, Fail> {
        let shared: &Shared = self.shared;
        let mut swept = self.swept;
        let mut visit = match Visit::enter(shared, &mut *session, self.id).await {
            Ok(Some(visit)) => visit,
            Ok(None) => return self.make(session).await,
            Err(fail) if fail.is_clash() && self.only_sweeps() && self.begun.elapsed() > TRIES => {
                return Err(Fail::Ours(fail.into()));
            }
            Err(fail) => return Err(fail),
        };
        if !self.prepare(&mut visit, &mut swept).await? {
            visit.finish().await?;
            return Ok(Step::Commit(Came::Again(swept)));
        }
        self.read_kept(&mut visit).await?;
        let mut answers = Vec::with_capacity(self.tickets.len());
        for ticket in self.tickets {
            answers.push(self.answer(&mut visit, ticket, &swept).await?);
        }
        let done = Came::Answers(answers);
        Ok(if visit.finish().await? { Step::Commit(done) } else { Step::Abort(done) })
    }
}

/// What comes of anything in a queue that is not there.
fn nothing(ticket: &Ticket) -> Result<Answer> {
    match ticket.ask {
        Ask::Drop(_) => Ok(Answer::Progress(sukkal_plugin_sdk::Progress { done: true, count: 0 })),
        Ask::Settle(_) => Ok(Answer::Swept(Swept::default())),
        _ => Err(refusal::gone()),
    }
}
