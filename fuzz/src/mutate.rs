//! Inputs made of others: blind, but of what is worth trying. libFuzzer mixes them with its own.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::Target;

/// The longest input, in bytes.
const LONGEST: usize = 64 * 1024;
/// Bytes at which readers take turns.
const TURNS: &[u8] = b"\0\x01\x7f\x80\xff\xc0\xc1\xdf\xe2{}[]\"\\:,/%?&=+- \n\r\t09eE.";

/// A mutation of one of a corpus, by a few steps.
pub fn mutated(corpus: &[Vec<u8>], words: &[&str], random: &mut StdRng) -> Vec<u8> {
    let mut input = corpus[random.random_range(0..corpus.len())].clone();
    vary(&mut input, corpus, words, random);
    input
}

/// A mutation of libFuzzer's input, which are the first `size` of its bytes; `longest` may be written.
/// How many are.
pub fn in_place(target: &Target, bytes: &mut [u8], size: usize, longest: usize, seed: u32) -> usize {
    let mut input = bytes[..size].to_vec();
    // Others are crossed in by libFuzzer itself.
    vary(&mut input, &[], target.words, &mut StdRng::seed_from_u64(seed.into()));
    input.truncate(longest);
    bytes[..input.len()].copy_from_slice(&input);
    input.len()
}

fn vary(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str], random: &mut StdRng) {
    for _ in 0..1 << random.random_range(0..4) {
        step(input, corpus, words, random);
        input.truncate(LONGEST);
    }
}

fn step(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str], random: &mut StdRng) {
    let at = random.random_range(0..=input.len());
    let end = (at + random.random_range(0..=16_usize)).min(input.len());
    match random.random_range(0..9) {
        0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        1 if at < input.len() => input[at] = TURNS[random.random_range(0..TURNS.len())],
        2 => input.insert(at, TURNS[random.random_range(0..TURNS.len())]),
        3 => drop(input.drain(at..end)),
        4 => {
            let repeated = input[at..end].repeat(random.random_range(1..200));
            insert(input, at, &repeated);
        }
        5 => drop(input.splice(at..end, words[random.random_range(0..words.len())].bytes())),
        6 => insert(input, at, words[random.random_range(0..words.len())].as_bytes()),
        7 if !corpus.is_empty() => {
            // The beginning of one, the end of another.
            let other = &corpus[random.random_range(0..corpus.len())];
            input.truncate(at);
            input.extend_from_slice(&other[random.random_range(0..=other.len())..]);
        }
        _ => {
            let mut bytes = [0; 4];
            random.fill_bytes(&mut bytes);
            insert(input, at, &bytes);
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}
