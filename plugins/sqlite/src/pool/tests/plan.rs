//! No statement walks through a table that grows, but those that are run once, when the file is opened.

use rusqlite::Connection;

use super::super::{
    blocks, claim_row, delete, export, front, garbage, key, lane, ledger, list, open, queue, recheck, run, settle,
    stats,
};
use crate::catalog::statements as catalog_statements;
use crate::schema::{CATALOG, POOL, Schema};

fn assert_no_scan(schema: Schema, statements: &[&str]) {
    let connection = Connection::open_in_memory().unwrap();
    schema.apply(&connection).unwrap();
    for sql in statements {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let count = statement.parameter_count();
        let parameters = rusqlite::params_from_iter(vec![0; count]);
        let steps = statement.query_map(parameters, |row| row.get::<_, String>(3)).unwrap();
        for step in steps.map(Result::unwrap) {
            let grows = step.starts_with("SCAN") && !BOUNDED.contains(&(&step, sql));
            assert!(!grows, "{sql}: {step}");
            assert!(!step.contains("TEMP B-TREE FOR ORDER BY") || SORTED.contains(sql), "{sql}: {step}");
        }
    }
}

/// Walks in the order of a key that end with the limit, and walks over results at hand.
const BOUNDED: &[(&str, &str)] = &[
    ("SCAN b", lane::DUE),
    ("SCAN body", run::LAST),
    ("SCAN free_slot", queue::FREE_SLOT),
    ("SCAN queue", queue::KNOWN_FIRST),
    ("SCAN queue USING COVERING INDEX sqlite_autoindex_queue_1", queue::LAST_SLOT),
    ("SCAN (subquery-1)", settle::CROWD),
];
/// Sorts of what is already bounded by other means.
const SORTED: &[&str] = &[lane::DUE, list::DUE];

#[test]
fn the_pools_statements_use_their_indexes() {
    assert_no_scan(
        POOL,
        &[
            blocks::GET,
            blocks::INSERT,
            blocks::UPDATE,
            blocks::UPDATE_DATA,
            blocks::DELETE,
            blocks::NEXT_READY,
            blocks::WAKING,
            blocks::FIRST_WAKE,
            claim_row::GET,
            claim_row::PUT,
            claim_row::RENEW,
            claim_row::PROLONG,
            claim_row::DELETE,
            claim_row::DELETE_ENDED,
            delete::BLOCKS,
            delete::DROP_QUEUE,
            delete::DROP_TALLY,
            delete::DROP_LEASES,
            delete::GIVE_SLOT,
            export::BLOCKS,
            front::PUT,
            front::DELETE,
            front::KEYS,
            garbage::GET,
            garbage::PUT,
            garbage::DELETE,
            key::GET,
            key::PUT,
            key::DELETE_EXPIRED,
            lane::GET,
            lane::PUT,
            lane::DUE,
            ledger::PUT_TALLY,
            ledger::PUT_TALLY_AND_OPEN,
            list::ALL,
            list::READY,
            list::EXHAUSTED,
            list::DUE,
            list::GET,
            list::GENERATION,
            open::GET,
            open::PUT,
            queue::GET,
            queue::GET_TALLY,
            queue::CHECK,
            queue::PUT,
            queue::PUT_TALLY,
            recheck::BLOCKS,
            queue::FREE_SLOT,
            queue::TAKE_SLOT,
            queue::IN_SLOT,
            queue::LAST_SLOT,
            queue::KNOWN,
            queue::KNOWN_FIRST,
            run::GET,
            run::HEADS,
            run::LAST,
            run::INSERT,
            run::UPDATE,
            run::DELETE,
            settle::CROWD,
            settle::PROBE,
            stats::DUE,
            stats::FORWARD,
            stats::BACKWARD,
            stats::PROBE,
        ],
    );
}

#[test]
fn the_catalogs_statements_use_their_indexes() {
    assert_no_scan(CATALOG, catalog_statements());
}
