//! Every target on its corpus, and on so many mutations of it; `SUKKAL_LONG=1` tries a hundred times
//! as many, `SUKKAL_FUZZ_SEED` those of a run before.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

use rand::SeedableRng;
use rand::rngs::StdRng;
use sukkal_fuzz::{ENCODINGS, MESSAGE_BODY, REST_REQUEST, TARGETS, Target, WEBSOCKET_FRAME, mutate, try_one};

const MUTATIONS: u32 = 10_000;

#[test]
fn any_message_body_comes_back_as_it_was() {
    hold(&MESSAGE_BODY);
}

#[test]
fn any_bytes_are_read_as_others_read_them() {
    hold(&ENCODINGS);
}

#[test]
fn any_rest_request_is_answered() {
    hold(&REST_REQUEST);
}

#[test]
fn any_websocket_frame_is_answered() {
    hold(&WEBSOCKET_FRAME);
}

#[test]
fn cargo_fuzz_knows_the_same_targets() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(here.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}

/// Tries the corpus, then mutations of it. What is found is kept in a file, to be tried again.
fn hold(target: &'static Target) {
    watch_for_panics();
    let corpus: Vec<Vec<u8>> = target.corpus().iter().map(|file| std::fs::read(file).unwrap()).collect();
    corpus.iter().for_each(|input| attempt(target, input));
    let seed = std::env::var("SUKKAL_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("SUKKAL_FUZZ_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let n_mutations = if std::env::var_os("SUKKAL_LONG").is_some() { MUTATIONS * 100 } else { MUTATIONS };
    for _ in 0..n_mutations {
        attempt(target, &mutate::mutated(&corpus, target.words, &mut random));
    }
}

fn attempt(target: &'static Target, input: &[u8]) {
    let panics = || std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
    // Those of a test that has failed before are no news.
    panics();
    let outcome = catch_unwind(AssertUnwindSafe(|| try_one(target, input)));
    let panics = panics();
    if outcome.is_err() || !panics.is_empty() {
        let file = std::env::temp_dir().join(format!("{}-{:08x}", target.name, rand::random::<u32>()));
        std::fs::write(&file, input).unwrap();
        let (name, file) = (target.name, file.display());
        panic!("{}\nagain: cargo run -p sukkal-fuzz --bin {name} {file}", panics.join("\n"));
    }
}

/// What has panicked anywhere in the process, caught or not.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
            before(panic);
        }));
    });
}
