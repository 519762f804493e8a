//! The servers of a pool: connections that are made again by themselves, commands with a time-out.

mod connect;
mod lines;
mod refusal;
mod report;
mod slots;

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::ConnectionLike;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, Pipeline, ServerErrorKind, Value};
use sukkal_plugin_sdk::tokio::task::JoinSet;
use sukkal_plugin_sdk::{Call, Error, Host, Result, tokio};

use self::connect::Connector;
pub use self::connect::subscribe;
use self::lines::{Lines, Link};
pub use self::report::Report;
use crate::error;
use crate::settings::Settings;
use crate::uri::Servers;

/// After so long without an answer it is seen whether another node of the cluster gives it.
const SLOW: Duration = Duration::from_millis(500);

/// The pause before data are asked for again that were being moved.
const MOVING: Duration = Duration::from_millis(50);

/// The servers of one pool.
pub struct Server {
    lines: Arc<Lines>,
    /// Whoever seeks the server of a key that fell silent; at the most one. Ends with the pool.
    seeking: Mutex<JoinSet<()>>,
    timeout: Duration,
    /// How many replicas must have what is to last.
    replicas: u32,
    host: Host,
}

/// Whether a command changes anything: what is unsure of one that broke, and what must last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// Repeating it does no harm, but somebody goes on from what it has seen or done.
    Lasts,
    /// It may have taken effect even though its answer is lost.
    Writes,
}

impl Server {
    /// Connects, and looks at what answers.
    ///
    /// # Errors
    /// `Invalid`: what answers cannot be a pool. `Unavailable`: nothing answers.
    pub async fn open(host: Host, servers: Servers, settings: &Settings) -> Result<Server> {
        let mut connector = Connector::new(servers, settings)?;
        connector.recognise().await?;
        // A cluster's client has a connection to each node. One that waits for replicas holds up whatever
        // comes behind on the same connection.
        let lines = if connector.is_cluster() && settings.replicas == 0 { 1 } else { settings.connections };
        let lines = Arc::new(Lines::new(connector, lines as usize, settings.replicas > 0));
        let (timeout, replicas) = (settings.timeout(), settings.replicas);
        Ok(Server { lines, seeking: Mutex::default(), timeout, replicas, host })
    }

    /// How the servers are connected to.
    pub fn connector(&self) -> &Connector {
        self.lines.connector()
    }

    /// The host's clock and the like.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// How long they may take to answer.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What the servers say of how they keep data.
    pub async fn report(&self, call: &Call) -> Result<Report> {
        report::read(self, call).await
    }

    /// How long a call may still wait for one answer.
    ///
    /// # Errors
    /// `TimedOut`: no longer.
    fn patience(&self, call: &Call) -> Result<Duration> {
        let left = call.remaining(self.host.now());
        if left.is_zero() { Err(error::timed_out()) } else { Ok(left.min(self.timeout)) }
    }

    /// Sends a command and waits for its answer, which may be the server's refusal.
    ///
    /// # Errors
    /// `TimedOut`, `Unavailable`; the server's own.
    pub async fn send(&self, call: &Call, effect: Effect, command: &Cmd) -> Result<Answer> {
        let mut sent = self.send_once(call, effect, command).await;
        // A connection may have been broken for long: that is noticed when it is used, one after the other.
        for _ in 0..self.lines.count() {
            if effect == Effect::Writes || !sent.as_ref().is_err_and(|failed| failed.is_broken) {
                break;
            }
            sent = self.send_once(call, effect, command).await;
        }
        sent.map_err(|Failed { error, .. }| if effect == Effect::Writes { error } else { error::of_reading(error) })
    }

    async fn send_once(&self, call: &Call, effect: Effect, command: &Cmd) -> Result<Answer, Failed> {
        let patience = self.patience(call)?;
        let begun = Instant::now();
        let linked = tokio::time::timeout(patience, self.lines.link()).await;
        let (mut link, number) = linked.map_err(|_| error::unreachable("connecting takes too long"))??;
        let left = patience.saturating_sub(begun.elapsed()).max(Duration::from_millis(1));
        let replicas = if effect == Effect::Reads { 0 } else { self.replicas };
        let is_cluster = matches!(link, Link::Cluster(..));
        match self.answer(&mut link, number, command, replicas, left).await {
            Some(Ok((value, had))) if had >= replicas => {
                if effect == Effect::Writes {
                    self.lines.wrote();
                }
                Ok(Answer::Value(value))
            }
            Some(Ok((_, had))) => Err(error::too_few_replicas(had, replicas).into()),
            // Of a cluster's nodes one has not answered: the driver has a time-out, too.
            Some(Err(error)) if !(is_cluster && error.is_timeout()) => {
                use redis::ErrorKind::Server;
                match error.kind() {
                    Server(ServerErrorKind::NoScript) => return Ok(Answer::NoScript),
                    Server(ServerErrorKind::TryAgain | ServerErrorKind::Ask | ServerErrorKind::Moved) => {
                        return Ok(Answer::Moving(error::of_driver(&error)));
                    }
                    _ => {}
                }
                let (is_broken, error) = (lines::breaks(&error), error::of_driver(&error));
                if is_broken {
                    self.lines.drop_link(number, &error);
                }
                Err(Failed { error, is_broken })
            }
            Some(Err(_)) | None => {
                // A cluster's connection leads to all nodes: those that answer are not given up with the one that does
                // not.
                let is_broken = is_cluster && !self.lines.has(number);
                let error = error::silent(left);
                if !is_cluster {
                    self.lines.drop_link(number, &error);
                }
                Err(Failed { error, is_broken })
            }
        }
    }

    /// Sends a command and waits for its answer; none comes in time, or the connection was replaced meanwhile since
    /// another server has the place of the one that was asked.
    async fn answer(
        &self,
        link: &mut Link,
        number: u64,
        command: &Cmd,
        replicas: u32,
        patience: Duration,
    ) -> Option<redis::RedisResult<(Value, u32)>> {
        let (begun, is_cluster) = (Instant::now(), matches!(link, Link::Cluster(..)));
        let mut sending = pin!(link.send(command, replicas, patience));
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            if let Ok(sent) = tokio::time::timeout(left.min(SLOW), &mut sending).await {
                return Some(sent);
            }
            if is_cluster {
                self.seek(number, command);
            }
            if left <= SLOW || is_cluster && !self.lines.has(number) {
                return None;
            }
        }
    }

    /// Has the server sought of what a command asks for, beside all requests.
    fn seek(&self, number: u64, command: &Cmd) {
        let Some(key) = key_of(command) else { return };
        let mut seeking = self.seeking.lock().unwrap_or_else(PoisonError::into_inner);
        while seeking.try_join_next().is_some() {}
        if seeking.is_empty() {
            let lines = self.lines.clone();
            seeking.spawn(async move { lines.seek(number, &key).await });
        }
    }

    /// The same, of a command that is no script, and again while the data are being moved.
    ///
    /// # Errors
    /// As of [`Server::send`]. `Unavailable`: moving the data takes longer than an answer may.
    pub async fn plain(&self, call: &Call, effect: Effect, command: &Cmd) -> Result<Value> {
        let begun = Instant::now();
        loop {
            match self.send(call, effect, command).await? {
                Answer::Value(value) => return Ok(value),
                Answer::Moving(error) => self.wait_for_move(call, begun, error).await?,
                Answer::NoScript => return Err(error::unexpected("NOSCRIPT to a command that is none")),
            }
        }
    }

    /// Waits a moment for data that are being moved.
    ///
    /// # Errors
    /// What was answered instead: since then as much time has passed as an answer may take.
    pub async fn wait_for_move(&self, call: &Call, since: Instant, answer: Error) -> Result<()> {
        let left = self.timeout.saturating_sub(since.elapsed());
        if left.min(call.remaining(self.host.now())) <= MOVING {
            return Err(answer);
        }
        tokio::time::sleep(MOVING).await;
        Ok(())
    }
}

/// How much of the time that there is replicas are waited for.
fn waiting(patience: Duration) -> Duration {
    patience * 3 / 4
}

/// The first key of a command.
fn key_of(command: &Cmd) -> Option<Vec<u8>> {
    let mut words = command.args_iter().map(|word| match word {
        redis::Arg::Simple(bytes) => bytes,
        _ => b"",
    });
    let is_script = words.next()?.starts_with(b"EVAL");
    words.nth(if is_script { 2 } else { 0 }).map(Vec::from)
}

/// Why a command has no answer.
struct Failed {
    error: Error,
    /// The connection broke: there is a new one the next time.
    is_broken: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed { error, is_broken: false }
    }
}

/// What came of a command.
pub enum Answer {
    /// What the server answers.
    Value(Value),
    /// It does not know the script that was named.
    NoScript,
    /// Nothing is done: the cluster is moving what was asked for to another node.
    Moving(Error),
}

impl Link {
    /// What whoever has a key answers at once; none: nothing.
    async fn answers_for(&mut self, key: &[u8]) -> Option<redis::RedisResult<Value>> {
        let asked = tokio::time::timeout(SLOW, self.send(redis::cmd("EXISTS").arg(key), 0, Duration::ZERO)).await;
        asked.ok().map(|answered| answered.map(|(value, _)| value))
    }

    /// Which node of a cluster had a key when the connection was made.
    fn owner(&self, key: &[u8]) -> Option<&(String, u16)> {
        match self {
            Link::One(_) => None,
            Link::Cluster(_, owners) => owners.of(key),
        }
    }

    /// What that node answers at once; none: nothing. Where it has given the key away, another one is silent.
    async fn owner_answers(&mut self, key: &[u8]) -> Option<redis::RedisResult<Value>> {
        let (host, port) = self.owner(key).filter(|(host, _)| !host.is_empty())?.clone();
        let Link::Cluster(connection, _) = self else { return None };
        let owner = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
        tokio::time::timeout(SLOW, connection.route_command(redis::cmd("PING"), owner)).await.ok()
    }

    /// Sends a command; then waits, for most of the time that there is, until replicas have what it has
    /// done and seen. Its answer, and how many replicas have.
    async fn send(&mut self, command: &Cmd, replicas: u32, patience: Duration) -> redis::RedisResult<(Value, u32)> {
        if replicas == 0 {
            let value = match self {
                Link::One(connection) => connection.req_packed_command(command).await,
                Link::Cluster(connection, _) => connection.req_packed_command(command).await,
            };
            return Ok((value?.extract_error()?, 0));
        }
        // On the same connection, one right after the other: so it is the same server, and still the
        // master at the end of it.
        let mut both = Pipeline::with_capacity(2);
        both.add_command(command.clone());
        both.cmd("WAIT").arg(replicas).arg(waiting(patience).as_millis() as u64);
        let mut values = match self {
            Link::One(connection) => connection.req_packed_commands(&both, 0, 2).await,
            Link::Cluster(connection, _) => connection.req_packed_commands(&both, 0, 2).await,
        }?
        .into_iter();
        let answer = values.next().unwrap_or(Value::Nil).extract_error()?;
        match values.next().map(Value::extract_error).transpose()? {
            Some(Value::Int(had)) => Ok((answer, u32::try_from(had).unwrap_or(0))),
            _ => Ok((answer, 0)),
        }
    }
}
