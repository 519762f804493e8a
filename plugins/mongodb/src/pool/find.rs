//! What is read of a queue, and by which index: each read names it, so that nothing is ever scanned.

use mongodb::bson::{Document, doc};
use mongodb::options::Hint;
use sukkal_plugin_sdk::QueueId;

use super::shared::Shared;

/// What is read.
#[derive(Debug)]
pub struct Find {
    filter: Document,
    sort: Document,
    hint: &'static str,
    limit: i64,
    projection: Option<Document>,
}

/// The index of states and places.
pub const BY_PLACE: &str = "by_place";
/// The index of states and times.
pub const BY_TIME: &str = "by_time";
/// The index that every collection has.
pub const BY_NAME: &str = "_id_";

impl Find {
    /// Documents of these names.
    pub fn named(names: Vec<String>) -> Find {
        Find::new(doc! { "_id": { "$in": names } }, doc! { "_id": 1 }, BY_NAME)
    }

    /// Documents whose names lie in a range, in their order.
    pub fn range(range: Document) -> Find {
        Find::new(doc! { "_id": range }, doc! { "_id": 1 }, BY_NAME)
    }

    /// Messages in some states, in the order of their places, after one of them.
    pub fn by_place(states: Vec<&str>, after: i64) -> Find {
        Find::new(doc! { "s": { "$in": states }, "p": { "$gt": after } }, doc! { "p": 1 }, BY_PLACE)
    }

    /// The newest message in some states.
    pub fn newest(states: Vec<&str>) -> Find {
        Find::new(doc! { "s": { "$in": states } }, doc! { "p": -1 }, BY_PLACE).limit(1)
    }

    /// Documents in some states, in the order of when something is to be done with them.
    pub fn by_time(states: Vec<&str>) -> Find {
        Find::new(doc! { "s": { "$in": states } }, doc! { "t": 1 }, BY_TIME)
    }

    fn new(filter: Document, sort: Document, hint: &'static str) -> Find {
        Find { filter, sort, hint, limit: 0, projection: None }
    }

    /// A further condition.
    pub fn with(mut self, field: &str, condition: impl Into<mongodb::bson::Bson>) -> Find {
        self.filter.insert(field, condition);
        self
    }

    /// At most so many.
    pub fn limit(self, limit: i64) -> Find {
        Find { limit, ..self }
    }

    /// Only these fields, and the name.
    pub fn only(self, fields: &[&str]) -> Find {
        let mut projection = doc! {};
        fields.iter().for_each(|field| drop(projection.insert(*field, 1)));
        Find { projection: Some(projection), ..self }
    }

    /// In a queue.
    pub fn on<'c>(self, shared: &'c Shared, queue: QueueId) -> mongodb::action::Find<'c, Document> {
        let mut filter = doc! { "q": queue.text() };
        filter.extend(self.filter);
        let mut find = shared.documents.find(filter).sort(self.sort).limit(self.limit);
        find = find.hint(Hint::Name(self.hint.to_owned()));
        match self.projection {
            Some(projection) => find.projection(projection),
            None => find,
        }
    }
}
