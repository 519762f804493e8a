//! Histories drawn by chance: the same seed draws the same history, on every machine.

use fastrand::Rng;

use super::Kind;
use super::step::{DAY, Event, Step};

/// The longest history has so many steps.
const LONGEST: usize = 60;
/// How many work at once.
const CLIENTS: u8 = 4;
/// How many names for claims a client has.
const CLAIMS: u8 = 6;
/// Draws the history of a seed.
pub fn draw(kind: Kind, seed: u64) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    let length = rng.usize(1..=LONGEST);
    (0..length).map(|_| step(kind, &mut rng)).collect()
}

fn step(kind: Kind, rng: &mut Rng) -> Step {
    let event = match kind {
        Kind::OneByOne => alone(rng, Event::Restart),
        Kind::OverKills => alone(rng, Event::Kill),
        Kind::AtOnce => together(rng),
    };
    let client = if kind == Kind::AtOnce && !event.to_all() { rng.u8(0..CLIENTS) } else { 0 };
    Step { client, event }
}

/// What one client does, whom no other disturbs: everything ends and falls due now and then.
fn alone(rng: &mut Rng, interruption: Event) -> Event {
    let claim = rng.u8(0..CLAIMS);
    match rng.u8(0..22) {
        0..4 => Event::Post { count: rng.u16(1..40), ttl: rng.u32(1..200), delay: delay(rng) },
        4..8 => Event::Claim { claim, limit: rng.u16(1..30), ttl: rng.u32(1..100) },
        8 => Event::Renew { claim, ttl: rng.u32(1..100) },
        9..11 => Event::Release { claim, delay: delay(rng) },
        11..13 => Event::Delete { position: rng.u16(0..100) },
        13..15 => Event::DeleteClaimed { claim },
        15 => Event::Pop { limit: rng.u16(1..10) },
        16..19 => Event::Pass { seconds: rng.u32(1..80) },
        19 => Event::Sweep,
        _ => interruption,
    }
}

fn delay(rng: &mut Rng) -> u32 {
    if rng.u8(0..4) > 0 { 0 } else { rng.u32(1..50) }
}

/// What several clients do at once. Claims end between two meetings, messages never: what is there
/// is known however the work was interleaved.
fn together(rng: &mut Rng) -> Event {
    let claim = rng.u8(0..CLAIMS);
    match rng.u8(0..20) {
        0..4 => Event::Post { count: rng.u16(1..10), ttl: DAY, delay: 0 },
        4..10 => Event::Claim { claim, limit: rng.u16(1..6), ttl: rng.u32(600..4_000) },
        10..12 => Event::Release { claim, delay: 0 },
        12..14 => Event::DeleteClaimed { claim },
        14..16 => Event::Pop { limit: rng.u16(1..4) },
        16 => Event::Sweep,
        17 => Event::Pass { seconds: rng.u32(1..1_000) },
        _ => Event::Meet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_its_history_again() {
        for kind in [Kind::OneByOne, Kind::AtOnce, Kind::OverKills] {
            assert_eq!(draw(kind, 7), draw(kind, 7));
            assert_ne!(draw(kind, 7), draw(kind, 8));
        }
    }
}
