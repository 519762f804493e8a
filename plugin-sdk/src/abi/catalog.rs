//! Catalogs over the boundary. The other way too: a plugin's records are a catalog of the host's.

use super::contract::{contract, finish, unsupported};
use super::guard::{self, FutureForm};
use super::object::{Object, This};
use super::types::Ffi;
use crate::*;

contract! {
    /// An open catalog, of whatever library. Clones are the same catalog; the last one closes it.
    LoadedCatalog: Catalog, CatalogVtable, CatalogVtableRef, OpenCatalog;
    sync {}
    first {
        get(; key: RecordKey) -> Option<Record>;
        list(; kind: String, project: String, after: Option<String>, limit: u32) -> Vec<Record>;
        count(; kind: String, project: String) -> u64;
        commit(; changes: Vec<Change>) -> Commit;
        sweep(; limit: u32) -> bool;
        health(;) -> Health;
    }
    later {
        get_many(; keys: Vec<RecordKey>) -> Vec<Record>;
    }
}
