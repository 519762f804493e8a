//! Removing what has expired, and seeing whether writing works.

use futures_util::TryStreamExt;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::Hint;
use sukkal_plugin_sdk::{Call, Result};

use super::Catalog;

/// Records that one step removes at the most.
const MOST: u32 = 100;

impl Catalog {
    /// Removes what has expired, in a bounded step; true while there is more.
    ///
    /// # Errors
    /// The server's.
    pub async fn remove_expired(&self, call: &Call, limit: u32) -> Result<bool> {
        let limit = limit.clamp(1, MOST);
        // What never ends has no place in this index.
        let first = vec![
            doc! { "$match": { "x": { "$gt": DateTime::from_millis(0) } } },
            doc! { "$sort": { "x": 1 } },
            doc! { "$limit": i64::from(limit) },
            doc! { "$project": { "x": 1, "now": self.server.now() } },
        ];
        let read = async {
            let asked = self.records.aggregate(first).hint(Hint::Name("expires".to_owned()));
            asked.await?.try_collect::<Vec<Document>>().await
        };
        let found = self.server.read(call, Box::pin(read)).await?;
        let expired = found.iter().filter_map(|found| {
            let (ends, now) = (found.get_datetime("x").ok()?, found.get_datetime("now").ok()?);
            (ends <= now).then_some((found.get_str("_id").ok()?, *ends))
        });
        let (ids, ends): (Vec<_>, Vec<_>) = expired.unzip();
        let Some(last) = ends.into_iter().max() else { return Ok(false) };
        let more = ids.len() == limit as usize;
        // Meanwhile somebody may have put one again, which then ends later.
        let still = doc! { "_id": { "$in": ids }, "x": { "$lte": last } };
        self.server.read(call, self.records.delete_many(still)).await?;
        Ok(more)
    }

    /// Whether the servers take writes.
    ///
    /// # Errors
    /// The server's.
    pub async fn probe(&self, call: &Call) -> Result<()> {
        let change = doc! { "$currentDate": { "at": true } };
        self.server.read(call, self.stripes.update_one(doc! { "_id": "probe" }, change).upsert(true)).await?;
        Ok(())
    }
}
