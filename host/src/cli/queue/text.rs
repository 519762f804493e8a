//! What is printed for people.

/// Seconds as people say them: two units, the largest that count.
pub fn duration(seconds: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let first = UNITS.iter().position(|(_, unit)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (name, unit) in UNITS.iter().skip(first).take(2) {
        let count = rest / unit;
        rest %= unit;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count} {name}"));
        }
    }
    parts.join(" ")
}

/// `1 message`, `2 messages`.
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_two_units() {
        for (seconds, told) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 m"),
            (61, "1 m 1 s"),
            (3600, "1 h"),
            (90_061, "1 d 1 h"),
            (86_460, "1 d"),
        ] {
            assert_eq!(duration(seconds), told);
        }
    }
}
