//! How long single pieces of work took.

use std::time::Duration;

/// Every duration of a measurement.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    /// Takes one more.
    pub fn add(&mut self, took: Duration) {
        self.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Those of all connections together.
    pub fn joined(parts: impl IntoIterator<Item = Latencies>) -> Latencies {
        let mut micros = parts.into_iter().flat_map(|part| part.micros).collect::<Vec<_>>();
        micros.sort_unstable();
        Latencies { micros }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.micros.len()
    }

    /// The duration that so many of a thousand do not exceed.
    pub fn per_mille(&self, share: usize) -> Duration {
        let place = (self.micros.len() * share / 1000).min(self.micros.len().saturating_sub(1));
        Duration::from_micros(self.micros.get(place).copied().unwrap_or(0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_whole() {
        let mut late = Latencies::default();
        let mut early = Latencies::default();
        (501..=1000).for_each(|micros| late.add(Duration::from_micros(micros)));
        (1..=500).for_each(|micros| early.add(Duration::from_micros(micros)));
        let all = Latencies::joined([late, early]);
        assert_eq!(all.per_mille(500), Duration::from_micros(501));
        assert_eq!(all.per_mille(1000), Duration::from_micros(1000));
    }
}
