//! Reading records: one statement each, so that what it sees is of one moment, and no older than
//! the call.

use sukkal_plugin_sdk::{Extensions, Record, RecordKey, Timestamp};

use crate::error::Fail;
use crate::server::Work;
use crate::session::{Row, Session, Value};

/// Reads one record.
pub struct Get {
    /// Which.
    pub key: RecordKey,
}

impl Work for Get {
    type Done = Option<Record>;

    async fn on(&self, session: &mut Session) -> Result<Option<Record>, Fail> {
        let sql = format!(
            "SELECT name, revision, expires, value, extensions FROM sukkal_record \
             WHERE kind = ? AND project = ? AND name = ? AND (expires IS NULL OR expires > {})",
            session.now()
        );
        let RecordKey { kind, project, name } = &self.key;
        let rows = session.fetch(&sql, &[bytes(kind), bytes(project), bytes(name)]).await?;
        Ok(rows.first().map(|row| record(row, kind, project)).transpose()?)
    }
}

/// Reads those of some records that are there.
pub struct GetMany {
    /// Which.
    pub keys: Vec<RecordKey>,
}

impl Work for GetMany {
    type Done = Vec<Record>;

    async fn on(&self, session: &mut Session) -> Result<Vec<Record>, Fail> {
        let Some(last) = self.keys.last() else { return Ok(Vec::new()) };
        // A power of two, so that few statements are kept prepared: the last one is named again.
        let count = self.keys.len().next_power_of_two();
        let sql = format!(
            "SELECT name, revision, expires, value, extensions, kind, project FROM sukkal_record \
             WHERE (kind, project, name) IN ({}) AND (expires IS NULL OR expires > {})",
            vec!["(?, ?, ?)"; count].join(", "),
            session.now()
        );
        let keys = self.keys.iter().chain(std::iter::repeat(last)).take(count);
        let values: Vec<_> =
            keys.flat_map(|key| [&key.kind, &key.project, &key.name]).map(|part| bytes(part)).collect();
        let rows = session.fetch(&sql, &values).await?;
        let found = rows.iter().map(|row| record(row, &text(row, 5)?, &text(row, 6)?));
        Ok(found.collect::<sqlx::Result<_>>()?)
    }
}

/// Reads records of a kind and project in the order of their names, `after` excluded.
pub struct List {
    /// Their kind.
    pub kind: String,
    /// Their project.
    pub project: String,
    /// The name that they come after.
    pub after: Option<String>,
    /// How many at the most.
    pub limit: u32,
}

impl Work for List {
    type Done = Vec<Record>;

    async fn on(&self, session: &mut Session) -> Result<Vec<Record>, Fail> {
        let beyond = if self.after.is_some() { "name > ?" } else { "name >= ?" };
        let sql = format!(
            "SELECT name, revision, expires, value, extensions FROM sukkal_record \
             WHERE kind = ? AND project = ? AND {beyond} AND (expires IS NULL OR expires > {}) \
             ORDER BY name LIMIT ?",
            session.now()
        );
        let after = bytes(self.after.as_deref().unwrap_or_default());
        let values = [bytes(&self.kind), bytes(&self.project), after, Value::Number(self.limit.into())];
        let rows = session.fetch(&sql, &values).await?;
        Ok(rows.iter().map(|row| record(row, &self.kind, &self.project)).collect::<sqlx::Result<_>>()?)
    }
}

/// Counts the records of a kind and project: all that were made, less those that have expired and
/// are not swept yet.
pub struct Count {
    /// Their kind.
    pub kind: String,
    /// Their project.
    pub project: String,
}

impl Work for Count {
    type Done = u64;

    async fn on(&self, session: &mut Session) -> Result<u64, Fail> {
        let sql = format!(
            "SELECT coalesce((SELECT records FROM sukkal_tally WHERE kind = ? AND project = ?), 0) \
             - (SELECT count(*) FROM sukkal_record WHERE kind = ? AND project = ? AND expires <= {})",
            session.now()
        );
        let (kind, project) = (bytes(&self.kind), bytes(&self.project));
        let rows = session.fetch(&sql, &[kind, project, kind, project]).await?;
        let counted = rows.first().map(|row| row.number(0)).transpose()?.unwrap_or(0);
        Ok(u64::try_from(counted).unwrap_or(0))
    }
}

/// Names are bytes to the database.
pub fn bytes(text: &str) -> Value<'_> {
    Value::Bytes(text.as_bytes())
}

fn text(row: &Row, column: usize) -> sqlx::Result<String> {
    Ok(String::from_utf8_lossy(&row.bytes(column)?).into_owned())
}

fn record(row: &Row, kind: &str, project: &str) -> sqlx::Result<Record> {
    Ok(Record {
        key: RecordKey::new(kind, project, text(row, 0)?),
        revision: row.number(1)?.cast_unsigned(),
        expires: row.perhaps(2)?.map(Timestamp),
        value: row.bytes(3)?.into(),
        extensions: Extensions::from_bytes(&row.bytes(4)?),
    })
}
