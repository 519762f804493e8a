//! Reading records. Each read waits until a majority confirms that who answers is still the primary,
//! so it sees every commit that was acknowledged before.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{Hint, ReadConcern};
use sukkal_plugin_sdk::{Call, Extensions, Record, RecordKey, Result, Timestamp};

use super::{Catalog, name};
use crate::error;
use crate::server::take_bytes;

impl Catalog {
    /// Reads one record.
    ///
    /// # Errors
    /// The server's.
    pub async fn read(&self, call: &Call, key: RecordKey) -> Result<Option<Record>> {
        let found = self.ask(call, doc! { "_id": name::id(&key)? }, None).await?.pop();
        found.map(|found| record(found, key.kind, key.project)).transpose()
    }

    /// Reads those of some records that are there.
    ///
    /// # Errors
    /// The server's.
    pub async fn read_many(&self, call: &Call, keys: Vec<RecordKey>) -> Result<Vec<Record>> {
        let ids = keys.iter().map(name::id).collect::<Result<Vec<_>>>()?;
        let found = self.ask(call, doc! { "_id": { "$in": &ids } }, None).await?;
        let mut keys: HashMap<String, RecordKey> = ids.into_iter().zip(keys).collect();
        let known = |found: Document| {
            let key = found.get_str("_id").ok().and_then(|id| keys.remove(id))?;
            Some(record(found, key.kind, key.project))
        };
        found.into_iter().filter_map(known).collect()
    }

    /// Reads records of a kind and project in the order of their names.
    ///
    /// # Errors
    /// The server's.
    pub async fn read_on(
        &self,
        call: &Call,
        kind: &str,
        project: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        let mut range = all(kind, project)?;
        if let Some(after) = after {
            range = doc! { "$gt": name::prefix(kind, project)? + after, "$lt": name::beyond(kind, project)? };
        }
        let limit = doc! { "$limit": i64::from(limit.max(1)) };
        let found = self.ask(call, doc! { "_id": range }, Some(limit)).await?;
        found.into_iter().map(|found| record(found, kind.to_owned(), project.to_owned())).collect()
    }

    /// Counts the records of a kind and project.
    ///
    /// # Errors
    /// The server's.
    pub async fn count_of(&self, call: &Call, kind: &str, project: &str) -> Result<u64> {
        let counted = self.ask(call, doc! { "_id": all(kind, project)? }, Some(doc! { "$count": "n" })).await?;
        let count = counted.first().and_then(|counted| counted.get("n"));
        // Numbers that are small enough come in 32 bits.
        let count = count.and_then(|count| count.as_i64().or_else(|| count.as_i32().map(i64::from)));
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    /// Asks for records that have not expired, in the order of their names, and what is to be done with them.
    async fn ask(&self, call: &Call, mut filter: Document, then: Option<Document>) -> Result<Vec<Document>> {
        // What never ends ends later than any.
        let ends = doc! { "$ifNull": [{ "$toLong": "$x" }, i64::MAX] };
        filter.insert("$expr", doc! { "$gt": [ends, { "$toLong": self.server.now() }] });
        let mut stages = vec![doc! { "$match": filter }, doc! { "$sort": { "_id": 1 } }];
        stages.extend(then);
        let read = async {
            let asked = self.records.aggregate(stages).hint(Hint::Name("_id_".to_owned()));
            let asked = asked.read_concern(ReadConcern::linearizable()).max_time(self.server.left(call));
            asked.await?.try_collect::<Vec<_>>().await
        };
        self.server.read(call, Box::pin(read)).await
    }
}

/// The names of all records of a kind and project.
fn all(kind: &str, project: &str) -> Result<Document> {
    Ok(doc! { "$gte": name::prefix(kind, project)?, "$lt": name::beyond(kind, project)? })
}

fn record(mut found: Document, kind: String, project: String) -> Result<Record> {
    let id = found.get_str("_id").map_err(error::unexpected)?;
    let name = id.get(name::prefix(&kind, &project)?.len()..).unwrap_or_default().to_owned();
    let expires = match found.get("x") {
        Some(Bson::DateTime(expires)) => Some(Timestamp(expires.timestamp_millis())),
        _ => None,
    };
    Ok(Record {
        key: RecordKey { kind, project, name },
        revision: found.get_i64("r").map_err(error::unexpected)?.cast_unsigned(),
        value: take_bytes(&mut found, "v")?.into(),
        expires,
        extensions: Extensions::from_bytes(&take_bytes(&mut found, "o")?),
    })
}
