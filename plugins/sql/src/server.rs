//! The database server: connections to it, and how long anybody waits for it.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions, Connection, Executor, MySqlPool, PgPool};
use sukkal_plugin_sdk::store::Pauses;
use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{Call, Host, Result};

use crate::error::{Fail, at, is_busy, of_driver, timed_out, unreachable};
use crate::session::{Engine, Session};
use crate::settings::Settings;
use crate::uri;

/// An open database.
pub struct Server {
    pool: Pool,
    host: Host,
    timeout: Duration,
}

enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
}

/// Work on a connection: it may be done more than once, and what it has not committed is taken back.
pub trait Work: Sync {
    /// What it comes to.
    type Done: Send;

    /// Does it.
    ///
    /// # Errors
    /// The database's.
    fn on(&self, session: &mut Session) -> impl Future<Output = Result<Self::Done, Fail>> + Send;
}

/// How long a connection may be idle before it is closed.
const IDLE: Duration = Duration::from_secs(600);
/// How long a connection lives: after a failover to another address, or a change of rights, all are
/// new within this time.
const LIFE: Duration = Duration::from_secs(1800);
/// How long closing all of them may take.
const CLOSING: Duration = Duration::from_secs(1);

impl Server {
    /// Reads the URI; nothing is connected yet.
    ///
    /// # Errors
    /// `Invalid`: the URI or the settings are wrong.
    pub fn new(engine: Engine, uri: &str, settings: &Settings, host: Host) -> Result<Server> {
        settings.check()?;
        let timeout = Duration::from_secs(settings.timeout.into());
        let pool = match engine {
            Engine::Postgres => Pool::Postgres(postgres(uri, settings, timeout)?),
            Engine::MySql => Pool::MySql(mysql(uri, settings, timeout)?),
        };
        Ok(Server { pool, host, timeout })
    }

    /// Connects once. The pool of connections tries again for as long as it may, and says nothing of why;
    /// whoever opens a catalog should hear at once what stands in the way, and where. Only a database that is
    /// there, and says that it is starting or has no connection to spare, is waited for.
    ///
    /// # Errors
    /// The database's, or the system's.
    pub async fn reach(&self) -> Result<()> {
        let mut busy = None;
        match timeout(self.timeout, self.until_taken(&mut busy)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(sqlx::Error::Io(reason))) => Err(unreachable(&self.address(), reason)),
            Ok(Err(error)) => Err(at(&self.address(), of_driver(&error))),
            Err(_) => Err(busy.map_or_else(
                || unreachable(&self.address(), format!("no connection within {} s", self.timeout.as_secs())),
                |error| at(&self.address(), of_driver(&error)),
            )),
        }
    }

    async fn until_taken(&self, busy: &mut Option<sqlx::Error>) -> sqlx::Result<()> {
        let mut pauses = Pauses::default();
        loop {
            match self.connect_once().await {
                Err(error) if is_busy(&error) => *busy = Some(error),
                connected => return connected,
            }
            pauses.next().await;
        }
    }

    async fn connect_once(&self) -> sqlx::Result<()> {
        match &self.pool {
            Pool::Postgres(pool) => pool.connect_options().connect().await?.close().await,
            Pool::MySql(pool) => pool.connect_options().connect().await?.close().await,
        }
    }

    fn address(&self) -> String {
        match &self.pool {
            Pool::Postgres(pool) => {
                let options = pool.connect_options();
                uri::address(options.get_socket().map(PathBuf::as_path), options.get_host(), options.get_port())
            }
            Pool::MySql(pool) => {
                let options = pool.connect_options();
                uri::address(options.get_socket().map(PathBuf::as_path), options.get_host(), options.get_port())
            }
        }
    }

    /// Does work on a connection, again where it clashed with somebody else's, for as long as the
    /// call may take, which is never longer than the time-out.
    ///
    /// # Errors
    /// The database's. `TimedOut`: no answer in time; what writes may have been done.
    pub async fn work<T>(&self, call: &Call, work: &impl Work<Done = T>) -> Result<T> {
        self.within(call.deadline().since(self.host.now()).min(self.timeout), work).await
    }

    /// The same on behalf of nobody's call, within the time-out.
    ///
    /// # Errors
    /// As [`Server::work`].
    pub async fn own_work<T>(&self, work: &impl Work<Done = T>) -> Result<T> {
        self.within(self.timeout, work).await
    }

    async fn within<T>(&self, limit: Duration, work: &impl Work<Done = T>) -> Result<T> {
        timeout(limit, self.until_done(work)).await.unwrap_or_else(|_| Err(timed_out().unknown()))
    }

    async fn until_done<T>(&self, work: &impl Work<Done = T>) -> Result<T> {
        let mut pauses = Pauses::default();
        loop {
            let mut session = self.session().await.map_err(|error| at(&self.address(), of_driver(&error)))?;
            match work.on(&mut session).await {
                Ok(done) => {
                    session.give_back();
                    return Ok(done);
                }
                // The connection is closed before the pause, and with it its transaction.
                Err(fail) if fail.is_clash() => drop(session),
                Err(fail) => return Err(fail.into()),
            }
            pauses.next().await;
        }
    }

    async fn session(&self) -> sqlx::Result<Session> {
        match &self.pool {
            Pool::Postgres(pool) => Ok(Session::postgres(pool.acquire().await?, self.host.shift())),
            Pool::MySql(pool) => Ok(Session::mysql(pool.acquire().await?, self.host.shift())),
        }
    }

    /// Closes all connections. One that was given back when the database stopped answering is tried by the pool
    /// without end: it is left to the system.
    pub async fn close(&self) {
        let closed = async {
            match &self.pool {
                Pool::Postgres(pool) => pool.close().await,
                Pool::MySql(pool) => pool.close().await,
            }
        };
        let _ = timeout(CLOSING, closed).await;
    }
}

fn postgres(uri: &str, settings: &Settings, timeout: Duration) -> Result<PgPool> {
    let options = uri::postgres(uri)?.application_name("sukkal");
    let pool = PgPoolOptions::new()
        .max_connections(settings.connections)
        .acquire_timeout(timeout)
        .idle_timeout(IDLE)
        .max_lifetime(LIFE)
        .connect_lazy_with(options.disable_statement_logging());
    Ok(pool)
}

fn mysql(uri: &str, settings: &Settings, timeout: Duration) -> Result<MySqlPool> {
    let options = uri::mysql(uri)?;
    let pool = MySqlPoolOptions::new()
        .max_connections(settings.connections)
        .acquire_timeout(timeout)
        .idle_timeout(IDLE)
        .max_lifetime(LIFE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // Each statement sees what was committed before it, and none locks more rows than it names.
                connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await.map(drop)
            })
        })
        .connect_lazy_with(options.disable_statement_logging());
    Ok(pool)
}
