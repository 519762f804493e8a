//! The tables, and how they come to be: migrations in their order, one host at a time.

use sukkal_plugin_sdk::tracing;

use crate::error::Fail;
use crate::server::Work;
use crate::session::{Engine, Session, Value};

/// The steps that make the tables. What a step makes must go on working for hosts that do not know
/// it yet: they run side by side while they are brought up to date.
const POSTGRES: [&str; 1] = [include_str!("postgres_1.sql")];
const MYSQL: [&str; 1] = [include_str!("mysql_1.sql")];

/// Takes the steps that this database has not taken yet. Hosts that start together take them one
/// after the other.
pub struct Migration;

impl Work for Migration {
    type Done = ();

    async fn on(&self, session: &mut Session) -> Result<(), Fail> {
        match session.engine() {
            Engine::Postgres => postgres(session).await,
            Engine::MySql => mysql(session).await,
        }
    }
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS sukkal_migration (version bigint NOT NULL PRIMARY KEY)";

/// The steps are taken in one transaction, whose end also ends the lock.
async fn postgres(session: &mut Session) -> Result<(), Fail> {
    session.run("BEGIN").await?;
    // The number is any that no other program on this database is likely to lock.
    session.run("SELECT pg_advisory_xact_lock(8388341925003)").await?;
    session.run(TABLE).await?;
    steps(session, &POSTGRES).await?;
    session.run("COMMIT").await.map_err(Fail::Committing)
}

/// MySQL ends transactions where tables are made, so each step can be taken again, and the lock is
/// the connection's. If that breaks, so does the lock.
async fn mysql(session: &mut Session) -> Result<(), Fail> {
    const NAME: &str = "concat('sukkal.', sha1(database()))";
    let locked = session.fetch(&format!("SELECT cast(get_lock({NAME}, 30) AS signed)"), &[]).await?;
    if locked.first().map(|row| row.perhaps(0)).transpose()?.flatten() != Some(1) {
        return Err(Fail::Before(sqlx::Error::PoolTimedOut));
    }
    session.run(TABLE).await?;
    steps(session, &MYSQL).await?;
    session.fetch(&format!("SELECT cast(release_lock({NAME}) AS signed)"), &[]).await?;
    Ok(())
}

async fn steps(session: &mut Session, steps: &[&'static str]) -> Result<(), Fail> {
    let rows = session.fetch("SELECT coalesce(max(version), 0) FROM sukkal_migration", &[]).await?;
    let taken = rows.first().map(|row| row.number(0)).transpose()?.unwrap_or(0);
    for (number, step) in (1..).zip(steps) {
        if number > taken {
            session.run(step).await?;
            session.execute("INSERT INTO sukkal_migration (version) VALUES (?)", &[Value::Number(number)]).await?;
            tracing::info!(step = number, "made the catalog's tables");
        }
    }
    Ok(())
}
