//! The servers: connections to them, transactions, and how long anybody waits.
//!
//! What the service needs is set here, whatever the URI says: writes are acknowledged by a majority
//! that has them on its disks, and everything is read from the primary.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, ClientSession, Collection, Database};
use sukkal_plugin_sdk::store::Pauses;
use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{Applied, Call, Error, Host, Result};

use crate::error::{self, Fail, alone, is_passing, is_unknown_commit, of_driver, timed_out};
use crate::settings::Settings;
use crate::{reach, uri};

/// The database, unless the URI names one.
const DATABASE: &str = "sukkal";
/// For how many seconds an abandoned transaction may hold up a queue before operators are warned.
const LONG: i64 = 10;

/// A database on the servers of a URI.
pub struct Server {
    client: Client,
    database: Database,
    host: Host,
    timeout: Duration,
}

/// Work in a transaction. It may be done more than once, and only the last time counts.
pub trait Work: Send {
    /// What it comes to.
    type Done: Send;

    /// Does it.
    ///
    /// # Errors
    /// The server's, or our own.
    fn on(&mut self, session: &mut ClientSession) -> impl Future<Output = Result<Step<Self::Done>, Fail>> + Send;
}

/// How a transaction ends.
pub enum Step<T> {
    /// What it has written is to last.
    Commit(T),
    /// There is nothing that should.
    Abort(T),
}

impl Server {
    /// Connects, and sees to it that the servers can do what is needed.
    ///
    /// # Errors
    /// `Invalid`: the URI, the settings or the servers are wrong. `Unavailable`: nothing answers.
    pub async fn open(uri: &str, settings: &Settings, host: Host) -> Result<Server> {
        settings.check()?;
        let options = uri::options(uri, settings).await?;
        let patience = options.connect_timeout.unwrap_or(settings.connect_timeout());
        reach::any(options.hosts.clone(), patience).await?;
        let name = options.default_database.clone().unwrap_or_else(|| DATABASE.to_owned());
        let client = Client::with_options(options).map_err(|error| of_driver(&error))?;
        let server = Server { database: client.database(&name), client, host, timeout: settings.timeout() };
        let hello = server.within(server.timeout, server.database.run_command(doc! { "hello": 1 })).await?;
        // A member of a replica set names it; the router of a sharded cluster says what it is.
        if !hello.contains_key("setName") && hello.get_str("msg").ok() != Some("isdbgrid") {
            return Err(alone());
        }
        Ok(server)
    }

    /// What the host gives.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// A collection of the database.
    pub fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    /// What an operator should be warned of, as far as the server tells.
    pub async fn warnings(&self) -> Vec<String> {
        const NAME: &str = "transactionLifetimeLimitSeconds";
        let admin = self.client.database("admin");
        let told = self.within(self.timeout, admin.run_command(doc! { "getParameter": 1, NAME: 1 })).await;
        let seconds = told.ok().and_then(|told| {
            told.get(NAME).and_then(|value| match value {
                mongodb::bson::Bson::Int32(seconds) => Some(i64::from(*seconds)),
                other => other.as_i64(),
            })
        });
        let long = seconds.filter(|seconds| *seconds > LONG);
        let warning = |seconds| {
            format!(
                "MongoDB runs with {NAME} = {seconds}: a host that ends in the middle of a change holds up that \
                 queue for so long; set it to 5"
            )
        };
        long.map(warning).into_iter().collect()
    }

    /// How long a call may still wait.
    pub fn left(&self, call: &Call) -> Duration {
        call.remaining(self.host.now()).min(self.timeout)
    }

    /// The server's clock, as an expression: `$$NOW`, and what a test has moved the host's by.
    pub fn now(&self) -> mongodb::bson::Bson {
        match self.host.shift() {
            0 => "$$NOW".into(),
            shift => doc! { "$add": ["$$NOW", shift] }.into(),
        }
    }

    /// Waits for a read, within the call's deadline.
    ///
    /// # Errors
    /// The server's; it has changed nothing.
    pub async fn read<T>(&self, call: &Call, read: impl IntoFuture<Output = mongodb::error::Result<T>>) -> Result<T> {
        self.within(self.left(call), read).await
    }

    /// Waits for the server, for a limited time.
    ///
    /// # Errors
    /// The server's.
    pub async fn within<T>(
        &self,
        limit: Duration,
        asked: impl IntoFuture<Output = mongodb::error::Result<T>>,
    ) -> Result<T> {
        let answered = timeout(limit, asked.into_future()).await.map_err(|_| timed_out())?;
        answered.map_err(|error| of_driver(&error))
    }

    /// Does work in a transaction, again and again until it is done or the time is over.
    ///
    /// # Errors
    /// The work's own; the server's, which say whether it may have been done.
    pub async fn transaction<W: Work>(&self, limit: Duration, work: &mut W) -> Result<W::Done> {
        let committing = AtomicBool::new(false);
        let mut last = None;
        let done = timeout(limit, self.until_done(work, &committing, &mut last)).await;
        // What stood in the way tells more than that there was no time left.
        let done = done.unwrap_or_else(|_| Err(last.unwrap_or_else(timed_out)));
        // Whatever fails before the commit is taken back.
        let applied = if committing.load(Ordering::Relaxed) { Applied::Unknown } else { Applied::No };
        done.map_err(|error| Error { applied, ..error })
    }

    async fn until_done<W: Work>(
        &self,
        work: &mut W,
        committing: &AtomicBool,
        last: &mut Option<Error>,
    ) -> Result<W::Done> {
        let mut pauses = Pauses::default();
        loop {
            // One whose transaction has failed is not used again: dropping it ends the transaction.
            let mut session = self.session(false).await?;
            match work.on(&mut session).await {
                Ok(Step::Abort(done)) => {
                    // Somebody may want to change the same next. Failing that, the server ends it.
                    let _ = session.abort_transaction().await;
                    return Ok(done);
                }
                Ok(Step::Commit(done)) => {
                    committing.store(true, Ordering::Relaxed);
                    match commit(&mut session).await {
                        Ok(()) => return Ok(done),
                        Err(error) if is_passing(&error) => {
                            committing.store(false, Ordering::Relaxed);
                            *last = Some(of_driver(&error));
                        }
                        Err(error) => return Err(of_driver(&error)),
                    }
                }
                Err(fail) if fail.is_passing() => *last = Some(fail.into()),
                Err(fail) => {
                    let _ = session.abort_transaction().await;
                    return Err(fail.into());
                }
            }
            drop(session);
            pauses.next().await;
        }
    }

    /// A session that has begun a transaction, or whose reads all see one moment.
    ///
    /// # Errors
    /// The driver's.
    pub async fn session(&self, snapshot: bool) -> Result<ClientSession> {
        let start = self.client.start_session();
        let start = if snapshot { start.snapshot(true) } else { start.causal_consistency(false) };
        let mut session = start.await.map_err(|error| of_driver(&error))?;
        if !snapshot {
            let begin = session.start_transaction().read_concern(ReadConcern::snapshot());
            let begin = begin.write_concern(durable()).selection_criteria(primary());
            begin.await.map_err(|error| of_driver(&error))?;
        }
        Ok(session)
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.client.clone().shutdown().immediate(true).await;
    }
}

async fn commit(session: &mut ClientSession) -> mongodb::error::Result<()> {
    let mut pauses = Pauses::default();
    loop {
        match session.commit_transaction().await {
            Err(error) if is_unknown_commit(&error) => pauses.next().await,
            committed => return committed,
        }
    }
}

/// Acknowledged by a majority that has it on its disks.
pub fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

/// Where everything is read.
pub fn primary() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Primary)
}

/// The bytes of a field, taken out; empty where there are none.
///
/// # Errors
/// It holds something else.
pub fn take_bytes(document: &mut Document, key: &str) -> Result<Vec<u8>> {
    match document.remove(key) {
        Some(mongodb::bson::Bson::Binary(binary)) => Ok(binary.bytes),
        None => Ok(Vec::new()),
        Some(other) => Err(error::unexpected(format!("{key}: {:?}", other.element_type()))),
    }
}

/// Bytes as a field holds them.
pub fn binary(bytes: impl Into<Vec<u8>>) -> mongodb::bson::Binary {
    mongodb::bson::Binary { subtype: mongodb::bson::spec::BinarySubtype::Generic, bytes: bytes.into() }
}
