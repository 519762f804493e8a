//! What each connection does over and over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::Options;
use super::fault::Fault;
use super::messages::messages;
use super::session::{Operation, Session};
use super::target::Target;

/// From one queue to the next one at work: so far, that neighbours in time are none in the catalog.
const STRIDE: usize = 7_919;
/// Between two looks into a queue from which a message is awaited.
const LOOK: Duration = Duration::from_millis(1);
/// Between a claim that is to wait and the post that it waits for: so that it does.
const SETTLED: Duration = Duration::from_millis(3);
/// For how long such a claim waits, in seconds: longer than a post takes.
const WAIT: u64 = 10;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Posts messages.
    Post,
    /// Claims messages, and deletes them by their ids.
    Claim,
    /// Posts messages, claims as many, deletes those: the queues stay as deep as they are.
    Cycle,
    /// Lists messages at the head of a queue.
    List,
    /// Lists messages of other clients, of which there are none.
    ListOthers,
    /// Posts a message and receives it by a claim over a second connection; the time from the one to
    /// the other counts.
    Latency,
    /// Posts a message that a claim over a second connection waits for (`wait=`, which is Sukkal's
    /// own); the time from the one to the other counts.
    Wait,
    /// The same in a queue that is not there until the message comes: it is deleted before the claim begins
    /// to wait.
    WaitAnew,
}

impl Work {
    /// As the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Work::Post => "post",
            Work::Claim => "claim",
            Work::Cycle => "cycle",
            Work::List => "list",
            Work::ListOthers => "list-others",
            Work::Latency => "latency",
            Work::Wait => "wait",
            Work::WaitAnew => "wait-anew",
        }
    }

    /// Whether messages are received over connections of their own.
    pub fn receives(self) -> bool {
        matches!(self, Work::Latency | Work::Wait | Work::WaitAnew)
    }
}

/// What came of a piece of work.
#[derive(Clone, Copy, Debug)]
pub enum Done {
    /// It was done, at this moment.
    At(Instant),
    /// It was done; of it the time between these moments counts.
    Between(Instant, Instant),
    /// There was nothing to do in this queue.
    Nothing,
}

/// One who works: a connection has as many as it has requests in flight.
#[derive(Debug)]
pub struct Worker {
    work: Work,
    session: Session,
    receiver: Option<Session>,
    messages: Arc<[u8]>,
    queue: usize,
    n_queues: usize,
    ids: String,
}

impl Worker {
    /// All workers of the options.
    pub fn all(options: &Options, target: &Target, receiver: &Target) -> Vec<Worker> {
        let messages: Arc<[u8]> = messages(options, options.format, options.batch.into()).into();
        let worker = |(number, session)| Worker {
            work: options.work,
            session,
            receiver: options.work.receives().then(|| Session::new(options, receiver)),
            messages: messages.clone(),
            queue: number % options.queues(),
            n_queues: options.queues(),
            ids: String::new(),
        };
        Session::all(options, target).into_iter().enumerate().map(worker).collect()
    }

    /// How many queues it goes round.
    pub fn n_queues(&self) -> usize {
        self.n_queues
    }

    /// Does the work once, and goes on to the next queue.
    pub async fn once(&mut self) -> Result<Done, Fault> {
        let queue = self.queue;
        match self.work {
            Work::Latency => return self.send_and_receive(queue).await,
            Work::Wait => return self.send_to_waiting(queue).await,
            Work::WaitAnew => {
                self.session.expect(Operation::DeleteQueue, queue, &[204]).await?;
                return self.send_to_waiting(queue).await;
            }
            _ => self.queue = (queue + STRIDE) % self.n_queues,
        }
        match self.work {
            Work::Post => self.post(queue).await?,
            Work::List => self.list(queue, true).await?,
            Work::ListOthers => self.list(queue, false).await?,
            Work::Claim | Work::Latency | Work::Wait | Work::WaitAnew => return self.claim_and_delete(queue).await,
            Work::Cycle => {
                self.post(queue).await?;
                return self.claim_and_delete(queue).await;
            }
        }
        Ok(Done::At(Instant::now()))
    }

    async fn post(&mut self, queue: usize) -> Result<(), Fault> {
        // A server that answers everything with a constant says 200.
        self.session.expect(Operation::Post(&self.messages), queue, &[201, 200]).await.map(|_| ())
    }

    async fn list(&mut self, queue: usize, own: bool) -> Result<(), Fault> {
        // 204: an empty page, as the original answers it.
        self.session.expect(Operation::List { own }, queue, &[200, 204]).await.map(|_| ())
    }

    async fn claim_and_delete(&mut self, queue: usize) -> Result<Done, Fault> {
        if !claim(&mut self.session, queue, 0, &mut self.ids).await? {
            return Ok(Done::Nothing);
        }
        self.session.expect(Operation::Delete(&self.ids), queue, &[204]).await?;
        Ok(Done::At(Instant::now()))
    }

    /// Posts, and looks for the message at the same time, until it is there; the deletion is not
    /// waited for.
    async fn send_and_receive(&mut self, queue: usize) -> Result<Done, Fault> {
        let Some(receiver) = &mut self.receiver else { return Ok(Done::Nothing) };
        let ids = &mut self.ids;
        let received = async {
            while !claim(receiver, queue, 0, ids).await? {
                tokio::time::sleep(LOOK).await;
            }
            Ok(Instant::now())
        };
        let posted = self.session.expect(Operation::Post(&self.messages), queue, &[201]);
        let (_, at) = tokio::try_join!(async { posted.await.map(|_| ()) }, received)?;
        receiver.expect(Operation::Delete(&self.ids), queue, &[204]).await?;
        Ok(Done::At(at))
    }

    /// Claims with a wait, and posts once that is under way; neither the pause between nor the deletion
    /// counts.
    async fn send_to_waiting(&mut self, queue: usize) -> Result<Done, Fault> {
        let Some(receiver) = &mut self.receiver else { return Ok(Done::Nothing) };
        let ids = &mut self.ids;
        let received = async {
            match claim(receiver, queue, WAIT, ids).await? {
                true => Ok(Instant::now()),
                // It did not wait, or the post failed.
                false => Err(Fault::Status(204, String::new())),
            }
        };
        let posted = async {
            tokio::time::sleep(SETTLED).await;
            let begun = Instant::now();
            self.session.expect(Operation::Post(&self.messages), queue, &[201]).await?;
            Ok(begun)
        };
        let (begun, at) = tokio::try_join!(posted, received)?;
        receiver.expect(Operation::Delete(&self.ids), queue, &[204]).await?;
        Ok(Done::Between(begun, at))
    }
}

/// Claims messages and tells whether there were any.
async fn claim(session: &mut Session, queue: usize, wait: u64, into: &mut String) -> Result<bool, Fault> {
    let reply = session.expect(Operation::Claim { wait }, queue, &[201, 204]).await?;
    if reply.status == 201 {
        *into = reply.ids()?;
    }
    Ok(reply.status == 201)
}
