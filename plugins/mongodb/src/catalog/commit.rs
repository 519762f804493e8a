//! Changing records: all of a commit, or nothing.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::ReturnDocument;
use mongodb::{ClientSession, Collection};
use sukkal_plugin_sdk::store::{check_changes, stripe, stripes};
use sukkal_plugin_sdk::{Change, Commit, Error, Expect, Result, Timestamp, Write};

use super::{Catalog, NEVER, name};
use crate::error::{self, Fail};
use crate::server::{Step, Work, binary};

/// Makes all changes, or none.
pub struct Changes {
    changes: Vec<(String, Change)>,
    records: Collection<Document>,
    stripes: Collection<Document>,
    /// By how much a test has moved the clock, in milliseconds.
    shift: i64,
}

impl Changes {
    /// Whether changes may be committed together at all.
    ///
    /// # Errors
    /// `TooLarge`: too many. `Invalid`: two of one record, or a name that is too long.
    pub fn of(catalog: &Catalog, changes: Vec<Change>) -> Result<Changes> {
        check_changes(&changes)?;
        let changes = changes.into_iter().map(|change| Ok((name::id(&change.key)?, change))).collect::<Result<_>>()?;
        let (records, stripes) = (catalog.records.clone(), catalog.stripes.clone());
        Ok(Changes { changes, records, stripes, shift: catalog.server.host().shift() })
    }
}

impl Work for Changes {
    type Done = Commit;

    async fn on(&mut self, session: &mut ClientSession) -> Result<Step<Commit>, Fail> {
        let ledger = self.lock(session).await?;
        if let Some(index) = self.changes.iter().position(|(id, change)| !ledger.holds(id, change)) {
            return Ok(Step::Abort(Commit::Failed(index as u32)));
        }
        let (mut made, mut removed, mut revisions) = (Vec::new(), Vec::new(), Vec::new());
        for (id, change) in &self.changes {
            let known = ledger.known.contains_key(id);
            let Write::Put { .. } = change.write else {
                let deletes = change.write == Write::Delete;
                removed.extend((deletes && known).then_some(id.as_str()));
                revisions.push(if deletes { 0 } else { ledger.live(id).unwrap_or(0) });
                continue;
            };
            let (revision, document) = ledger.document(id, change)?;
            revisions.push(revision);
            if known {
                self.records.replace_one(doc! { "_id": id }, document).session(&mut *session).await?;
            } else {
                made.push(document);
            }
        }
        if !removed.is_empty() {
            self.records.delete_many(doc! { "_id": { "$in": removed } }).session(&mut *session).await?;
        }
        if !made.is_empty() {
            self.records.insert_many(made).session(&mut *session).await?;
        }
        Ok(Step::Commit(Commit::Done(revisions)))
    }
}

/// What is locked, and what was there when it was.
struct Ledger {
    /// The next revision under each stripe.
    revisions: HashMap<i64, i64>,
    /// The server's time.
    now: Timestamp,
    /// Revision and end of each record that there is, expired ones among them.
    known: HashMap<String, (i64, Option<i64>)>,
}

impl Changes {
    /// Writes the stripes of all records first: of two commits that touch one of them, one has to begin
    /// anew. Without that each could check what the other changes, also what is not there.
    async fn lock(&self, session: &mut ClientSession) -> Result<Ledger, Fail> {
        let mut ledger = Ledger { revisions: HashMap::new(), now: Timestamp(0), known: HashMap::new() };
        for stripe in stripes(self.changes.iter().map(|(_, change)| &change.key)) {
            let next = doc! { "$add": [{ "$ifNull": ["$revision", 0_i64] }, 1_i64] };
            let change = vec![doc! { "$set": { "revision": next, "at": "$$NOW" } }];
            let update = self.stripes.find_one_and_update(doc! { "_id": stripe }, change).upsert(true);
            let written = update.return_document(ReturnDocument::After).session(&mut *session).await?;
            let written = written.ok_or_else(|| error::unexpected("no stripe"))?;
            ledger.revisions.insert(stripe, written.get_i64("revision").map_err(error::unexpected)?);
            let at = written.get_datetime("at").map_err(error::unexpected)?;
            ledger.now = Timestamp(at.timestamp_millis() + self.shift);
        }
        let ids: Vec<_> = self.changes.iter().map(|(id, _)| id.as_str()).collect();
        let find = self.records.find(doc! { "_id": { "$in": ids } }).projection(doc! { "r": 1, "x": 1 });
        let mut found = find.session(&mut *session).await?;
        let found: Vec<Document> = found.stream(session).try_collect().await?;
        for record in found {
            let ends = match record.get("x") {
                Some(Bson::DateTime(ends)) => Some(ends.timestamp_millis()),
                _ => None,
            };
            let id = record.get_str("_id").map_err(error::unexpected)?.to_owned();
            ledger.known.insert(id, (record.get_i64("r").map_err(error::unexpected)?, ends));
        }
        Ok(ledger)
    }
}

impl Ledger {
    /// The revision of a record that has not expired.
    fn live(&self, id: &str) -> Option<u64> {
        let (revision, expires) = self.known.get(id)?;
        expires.is_none_or(|expires| expires > self.now.0).then(|| revision.cast_unsigned())
    }

    fn holds(&self, id: &str, change: &Change) -> bool {
        match change.expect {
            Expect::Any => true,
            Expect::Absent => self.live(id).is_none(),
            Expect::Revision(revision) => self.live(id) == Some(revision),
        }
    }

    /// A record as it is written, and its revision from then on.
    fn document(&self, id: &str, change: &Change) -> Result<(u64, Document)> {
        let revision = self.revisions.get(&stripe(&change.key)).copied();
        let revision = revision.ok_or_else(|| Error::internal("a record without its stripe"))?;
        let mut document = doc! { "_id": id, "r": revision };
        if let Write::Put { value, expires_in, extensions } = &change.write {
            document.insert("v", binary(value.to_vec()));
            if let Some(life) = expires_in {
                document.insert("x", DateTime::from_millis(self.now.after(*life).0.min(NEVER)));
            }
            if !extensions.is_empty() {
                document.insert("o", binary(extensions.to_bytes()));
            }
        }
        Ok((revision.cast_unsigned(), document))
    }
}
