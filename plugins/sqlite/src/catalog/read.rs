//! Reading records.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::{Extensions, Record, RecordKey, Timestamp};

use crate::error::Outcome;

pub const GET: &str = "SELECT revision, expires, value, extensions FROM record \
    WHERE kind = ?1 AND project = ?2 AND name = ?3 AND (expires IS NULL OR expires > ?4)";
pub const LIST: &str = "SELECT revision, expires, value, extensions, name FROM record \
    WHERE kind = ?1 AND project = ?2 AND name > ?3 AND (expires IS NULL OR expires > ?4) ORDER BY name LIMIT ?5";
pub const LIST_FIRST: &str = "SELECT revision, expires, value, extensions, name FROM record \
    WHERE kind = ?1 AND project = ?2 AND (expires IS NULL OR expires > ?3) ORDER BY name LIMIT ?4";
pub const COUNT: &str = "SELECT records FROM tally WHERE kind = ?1 AND project = ?2";
pub const COUNT_EXPIRED: &str =
    "SELECT count(*) FROM record INDEXED BY record_expires_within WHERE kind = ?1 AND project = ?2 AND expires <= ?3";
pub const PROBE: &str = "SELECT revision FROM counter WHERE one = 0";

/// Reads one record.
pub fn get(connection: &Connection, key: RecordKey, now: Timestamp) -> Outcome<Option<Record>> {
    let names = params![key.kind.as_bytes(), key.project.as_bytes(), key.name.as_bytes(), now.0];
    let mut statement = connection.prepare_cached(GET)?;
    Ok(statement.query_row(names, |row| record(row, key.clone())).optional()?)
}

/// Reads those of some records that are there.
pub fn get_many(connection: &Connection, keys: Vec<RecordKey>, now: Timestamp) -> Outcome<Vec<Record>> {
    let found = keys.into_iter().map(|key| get(connection, key, now));
    found.filter_map(Result::transpose).collect()
}

/// Reads records in the order of their names.
pub fn list(
    connection: &Connection,
    kind: &str,
    project: &str,
    after: Option<&str>,
    limit: u32,
    now: Timestamp,
) -> Outcome<Vec<Record>> {
    let named = |row: &Row<'_>| {
        let name = String::from_utf8_lossy(row.get_ref(4)?.as_blob()?).into_owned();
        record(row, RecordKey::new(kind, project, name))
    };
    let (kind, project) = (kind.as_bytes(), project.as_bytes());
    let records = match after {
        None => connection
            .prepare_cached(LIST_FIRST)?
            .query_map(params![kind, project, now.0, limit], named)?
            .collect::<Result<_, _>>()?,
        Some(after) => connection
            .prepare_cached(LIST)?
            .query_map(params![kind, project, after.as_bytes(), now.0, limit], named)?
            .collect::<Result<_, _>>()?,
    };
    Ok(records)
}

/// Counts records: all that were made, less those that have expired and are not swept yet.
pub fn count(connection: &Connection, kind: &str, project: &str, now: Timestamp) -> Outcome<u64> {
    let (kind, project) = (kind.as_bytes(), project.as_bytes());
    let number = |row: &Row<'_>| row.get::<_, i64>(0);
    let all = connection.prepare_cached(COUNT)?.query_row(params![kind, project], number).optional()?.unwrap_or(0);
    let expired = connection.prepare_cached(COUNT_EXPIRED)?.query_row(params![kind, project, now.0], number)?;
    Ok(u64::try_from(all - expired).unwrap_or(0))
}

/// Whether the file can be read.
pub fn probe(connection: &Connection) -> Outcome<()> {
    Ok(connection.prepare_cached(PROBE)?.query_row([], |_| Ok(()))?)
}

fn record(row: &Row<'_>, key: RecordKey) -> rusqlite::Result<Record> {
    Ok(Record {
        key,
        revision: row.get::<_, i64>(0)?.cast_unsigned(),
        expires: row.get::<_, Option<i64>>(1)?.map(Timestamp),
        value: row.get::<_, Vec<u8>>(2)?.into(),
        extensions: row.get_ref(3)?.as_blob_or_null()?.map(Extensions::from_bytes).unwrap_or_default(),
    })
}
