//! Which pool a new queue gets (spec: pools and flavors).

use std::sync::Arc;

use crate::pools::Member;

/// Chooses at random in proportion to weight; a weight of 0 is never chosen. As long as one of them
/// answers, none is chosen that does not. `None`: none has a weight.
pub fn choose(candidates: &[Arc<Member>]) -> Option<&Arc<Member>> {
    let weighted = |only_well: bool| {
        let wanted = candidates.iter().filter(move |member| !only_well || member.is_well());
        wanted.map(|member| (member, member.terms().weight)).filter(|(_, weight)| *weight > 0).collect::<Vec<_>>()
    };
    let mut shares = weighted(true);
    if shares.is_empty() {
        shares = weighted(false);
    }
    let sum = shares.iter().map(|(_, weight)| u64::from(*weight)).sum::<u64>();
    let drawn = if sum == 0 { return None } else { rand::random_range(0..sum) };
    share_of(&shares, drawn).copied()
}

/// In whose share a number lies, from 0 to the sum of all.
fn share_of<T>(shares: &[(T, u32)], drawn: u64) -> Option<&T> {
    let mut end = 0;
    shares.iter().find_map(|(owner, weight)| {
        end += u64::from(*weight);
        (drawn < end).then_some(owner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_as_many_numbers_as_its_weight() {
        let shares = [("a", 1), ("none", 0), ("b", 3), ("c", u32::MAX)];
        let owners: Vec<_> = (0..6).filter_map(|drawn| share_of(&shares, drawn).copied()).collect();
        assert_eq!(owners, ["a", "b", "b", "b", "c", "c"]);
        let sum = 4 + u64::from(u32::MAX);
        assert_eq!(share_of(&shares, sum - 1), Some(&"c"));
        assert_eq!(share_of(&shares, sum), None);
    }
}
