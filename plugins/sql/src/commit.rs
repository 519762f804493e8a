//! Changing records: all of a commit, or nothing.

use std::collections::{BTreeMap, HashMap};

use sukkal_plugin_sdk::store::{MAX_CHANGES, check_changes, stripe, stripes};
use sukkal_plugin_sdk::{Change, Commit, Error, Expect, RecordKey, Result, Timestamp, Write};

use crate::error::Fail;
use crate::read::bytes;
use crate::server::Work;
use crate::session::{Engine, Row, Session, Value};

/// The longest kind, and the longest project or name, in bytes: what the engines' indexes take.
const LONGEST_KIND: usize = 64;
const LONGEST: usize = 1024;

/// Whether changes may be committed together at all.
///
/// # Errors
/// `TooLarge`: too many. `Invalid`: two of one record, or a name that is too long.
pub fn check(changes: &[Change]) -> Result<()> {
    check_changes(changes)?;
    let too_long = |RecordKey { kind, project, name }: &RecordKey| {
        kind.len() > LONGEST_KIND || project.len() > LONGEST || name.len() > LONGEST
    };
    match changes.iter().any(|change| too_long(&change.key)) {
        true => {
            Err(Error::invalid(format!("a kind has at most {LONGEST_KIND} bytes, a project or name at most {LONGEST}")))
        }
        false => Ok(()),
    }
}

/// Makes all changes, or none.
pub struct Changes(pub Vec<Change>);

impl Work for Changes {
    type Done = Commit;

    async fn on(&self, session: &mut Session) -> Result<Commit, Fail> {
        let keys: Vec<&RecordKey> = self.0.iter().map(|change| &change.key).collect();
        let ledger = Ledger::lock(session, &keys).await?;
        if let Some(index) = self.0.iter().position(|change| !ledger.holds(change)) {
            session.run("ROLLBACK").await?;
            return Ok(Commit::Failed(index as u32));
        }
        let mut revisions = Vec::with_capacity(self.0.len());
        let mut more = BTreeMap::new();
        for change in &self.0 {
            revisions.push(ledger.apply(session, change).await?);
            *more.entry(group(&change.key)).or_default() += ledger.more(change);
        }
        tally(session, more).await?;
        session.run("COMMIT").await.map_err(Fail::Committing)?;
        Ok(Commit::Done(revisions))
    }
}

/// Removes what has expired, in a bounded step; true while there is more.
pub struct Sweep {
    /// How many records at the most.
    pub limit: u32,
}

impl Work for Sweep {
    type Done = bool;

    async fn on(&self, session: &mut Session) -> Result<bool, Fail> {
        let limit = self.limit.clamp(1, MAX_CHANGES as u32);
        let sql = format!(
            "SELECT kind, project, name FROM sukkal_record WHERE expires IS NOT NULL AND expires <= {} \
             ORDER BY expires LIMIT ?",
            session.now()
        );
        let rows = session.fetch(&sql, &[Value::Number(limit.into())]).await?;
        let keys = rows.iter().map(key).collect::<sqlx::Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Ok(false);
        }
        // Meanwhile another host may have swept them, or somebody has put one again.
        let ledger = Ledger::lock(session, &keys.iter().collect::<Vec<_>>()).await?;
        let mut fewer = BTreeMap::new();
        for key in keys.iter().filter(|key| ledger.known.contains_key(*key) && ledger.live(key).is_none()) {
            delete(session, key).await?;
            *fewer.entry(group(key)).or_default() -= 1;
        }
        tally(session, fewer).await?;
        session.run("COMMIT").await.map_err(Fail::Committing)?;
        Ok(keys.len() == limit as usize)
    }
}

/// Does to each table what requests do, and writes one row: it succeeds where they can.
pub struct Probe;

impl Work for Probe {
    type Done = ();

    async fn on(&self, session: &mut Session) -> Result<(), Fail> {
        Ok(session.run(include_str!("schema/probe.sql")).await?)
    }
}

/// What is locked, and what was there when it was.
struct Ledger {
    /// The next revision under each stripe.
    revisions: HashMap<i64, i64>,
    /// The server's time.
    now: Timestamp,
    /// Revision and end of each record that there is, expired ones among them.
    known: HashMap<RecordKey, (i64, Option<i64>)>,
}

impl Ledger {
    /// Begins a transaction in which nobody else changes these records.
    async fn lock(session: &mut Session, keys: &[&RecordKey]) -> Result<Ledger, Fail> {
        // Each statement sees what was committed before it, and that is after the lock.
        let begin = match session.engine() {
            Engine::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Engine::MySql => "BEGIN",
        };
        session.run(begin).await?;
        let mut ledger = Ledger { revisions: HashMap::new(), now: Timestamp(0), known: HashMap::new() };
        for stripe in stripes(keys.iter().copied()) {
            let id = [Value::Number(stripe)];
            session.execute("UPDATE sukkal_stripe SET revision = revision + 1 WHERE id = ?", &id).await?;
            let sql = format!("SELECT revision, {} FROM sukkal_stripe WHERE id = ?", session.now());
            for row in session.fetch(&sql, &id).await? {
                ledger.revisions.insert(stripe, row.number(0)?);
                ledger.now = Timestamp(row.number(1)?);
            }
        }
        let mut sql = "SELECT kind, project, name, revision, expires FROM sukkal_record WHERE ".to_owned();
        let each = vec!["(kind = ? AND project = ? AND name = ?)"; keys.len()];
        sql.push_str(if each.is_empty() { "1 = 0" } else { "" });
        sql.push_str(&each.join(" OR "));
        let values: Vec<_> =
            keys.iter().flat_map(|key| [bytes(&key.kind), bytes(&key.project), bytes(&key.name)]).collect();
        for row in session.fetch(&sql, &values).await? {
            ledger.known.insert(key(&row)?, (row.number(3)?, row.perhaps(4)?));
        }
        Ok(ledger)
    }

    /// The revision of a record that has not expired.
    fn live(&self, key: &RecordKey) -> Option<u64> {
        let (revision, expires) = self.known.get(key)?;
        expires.is_none_or(|expires| expires > self.now.0).then(|| revision.cast_unsigned())
    }

    fn holds(&self, change: &Change) -> bool {
        match change.expect {
            Expect::Any => true,
            Expect::Absent => self.live(&change.key).is_none(),
            Expect::Revision(revision) => self.live(&change.key) == Some(revision),
        }
    }

    /// How many records more there are by a change.
    fn more(&self, change: &Change) -> i64 {
        match (self.known.contains_key(&change.key), &change.write) {
            (true, Write::Delete) => -1,
            (false, Write::Put { .. }) => 1,
            _ => 0,
        }
    }

    /// Makes one change; the record's revision from then on, 0 for none.
    async fn apply(&self, session: &mut Session, change: &Change) -> Result<u64, Fail> {
        let known = self.known.contains_key(&change.key);
        match &change.write {
            Write::Check => return Ok(self.live(&change.key).unwrap_or(0)),
            Write::Delete | Write::Put { .. } if known => delete(session, &change.key).await?,
            Write::Delete | Write::Put { .. } => {}
        }
        let Write::Put { value, expires_in, extensions } = &change.write else { return Ok(0) };
        let RecordKey { kind, project, name } = &change.key;
        let revision = self.revisions.get(&stripe(&change.key)).copied().ok_or(sqlx::Error::RowNotFound)?;
        let extensions = extensions.to_bytes();
        let row = [
            bytes(kind),
            bytes(project),
            bytes(name),
            Value::Number(revision),
            Value::Perhaps(expires_in.map(|life| self.now.after(life).0)),
            Value::Bytes(value),
            Value::Bytes(&extensions),
        ];
        let sql = "INSERT INTO sukkal_record (kind, project, name, revision, expires, value, extensions) \
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        session.execute(sql, &row).await?;
        Ok(revision.cast_unsigned())
    }
}

/// The key in the first three columns.
fn key(row: &Row) -> sqlx::Result<RecordKey> {
    let text = |column| row.bytes(column).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(RecordKey::new(text(0)?, text(1)?, text(2)?))
}

/// What records are counted by.
fn group(key: &RecordKey) -> (&str, &str) {
    (&key.kind, &key.project)
}

async fn delete(session: &mut Session, key: &RecordKey) -> Result<(), Fail> {
    let values = [bytes(&key.kind), bytes(&key.project), bytes(&key.name)];
    session.execute("DELETE FROM sukkal_record WHERE kind = ? AND project = ? AND name = ?", &values).await?;
    Ok(())
}

/// Counts what has come or gone, by kind and project.
async fn tally(session: &mut Session, more: BTreeMap<(&str, &str), i64>) -> Result<(), Fail> {
    for ((kind, project), by) in more.into_iter().filter(|(_, by)| *by != 0) {
        let (kind, project) = (bytes(kind), bytes(project));
        let up = match session.engine() {
            Engine::Postgres => {
                "INSERT INTO sukkal_tally (kind, project, records) VALUES (?, ?, ?) \
                 ON CONFLICT (kind, project) DO UPDATE SET records = sukkal_tally.records + excluded.records"
            }
            Engine::MySql => {
                "INSERT INTO sukkal_tally (kind, project, records) VALUES (?, ?, ?) \
                 ON DUPLICATE KEY UPDATE records = records + VALUES(records)"
            }
        };
        session.execute(up, &[kind, project, Value::Number(by)]).await?;
        if by < 0 {
            let out = "DELETE FROM sukkal_tally WHERE kind = ? AND project = ? AND records = 0";
            session.execute(out, &[kind, project]).await?;
        }
    }
    Ok(())
}
