//! Random histories of a queue against a naive model, over every store, through its library.
//!
//! A history that a store does not live through as the model does is shrunk to the shortest that
//! shows it. `PROPTEST_CASES=5000 cargo nextest run -E 'binary(model)'` tries more of them.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod history;
mod model;
mod queue;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sukkal_tests::stores::{EXAMPLE, MEMORY, SQLITE, Store};

use self::model::Model;
use self::queue::Pool;

/// As many histories as CI has time for; the environment can ask for more.
const HISTORIES: u32 = 60;

fn live_through_histories(store: Store) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(HISTORIES);
    let config = Config { cases, max_shrink_iters: 500, failure_persistence: None, ..Config::default() };
    let pool = std::cell::RefCell::new(Pool::open(store));
    let histories = prop::collection::vec(history::event(store.reopens), 1..60);
    let outcome = TestRunner::new(config).run(&histories, |history| {
        let mut pool = pool.borrow_mut();
        // Each history has a queue of its own, so thousands of them share one store.
        pool.begin();
        let mut model = Model::default();
        for event in history {
            event.happen(&mut pool, &mut model)?;
            model.compare(&pool)?;
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{}: {failure}", store.scheme);
    }
}

#[test]
fn sqlite_lives_as_the_model_does() {
    live_through_histories(SQLITE);
}

#[test]
fn memory_lives_as_the_model_does() {
    live_through_histories(MEMORY);
}

#[test]
fn the_example_lives_as_the_model_does() {
    live_through_histories(EXAMPLE);
}
