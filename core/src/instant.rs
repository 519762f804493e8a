//! Instants as text: ISO 8601, in UTC.

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use sukkal_plugin_sdk::Timestamp;

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);
/// The first and the last instant that four digits of a year can tell.
const FIRST: DateTime = date(0, 1, 1).at(0, 0, 0, 0);
const LAST: DateTime = date(9999, 12, 31).at(23, 59, 59, 0);

/// `2026-01-01T00:00:00`: whole seconds, cut. What no year of four digits holds is written as the
/// nearest that it does.
pub fn utc(at: Timestamp) -> String {
    let since = SignedDuration::from_secs(at.0.div_euclid(1000));
    let beyond = if at.0 < 0 { FIRST } else { LAST };
    let at = EPOCH.checked_add(since).unwrap_or(beyond).clamp(FIRST, LAST);
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Reads a date, or date and time with `T` or a blank between, an optional fraction and an optional
/// offset; without one it is UTC. Fractions of a second are cut. Nothing of it can be left out or be written
/// without its separators, but for the colon of an offset and what follows it.
pub fn parse(text: &str) -> Option<Timestamp> {
    let (day, rest) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(day, b"dddd-dd-dd")?;
    let (at, offset) = match rest.split_at_checked(9) {
        None if rest.is_empty() => ([0, 0, 0], 0),
        None => return None,
        Some((time, rest)) => {
            let time = time.strip_prefix(['T', 't', ' '])?;
            (numbers(time, b"dd:dd:dd")?, offset(without_fraction(rest)?)?)
        }
    };
    let [hour, minute, second] = at.map(|part| part as i8);
    let local = DateTime::new(year, month as i8, day as i8, hour, minute, second, 0).ok()?;
    let seconds = local.duration_since(EPOCH).as_secs() - offset;
    Some(Timestamp(seconds.checked_mul(1000)?))
}

/// The three numbers of a text of this form, in which `d` stands for a digit.
fn numbers(text: &str, form: &[u8]) -> Option<[i16; 3]> {
    let fits = |(byte, form): (u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == *form };
    if text.len() != form.len() || !text.bytes().zip(form).all(fits) {
        return None;
    }
    let mut parts = text.split(['-', ':']).map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

fn without_fraction(text: &str) -> Option<&str> {
    match text.strip_prefix(['.', ',']) {
        None => Some(text),
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (rest.len() < fraction.len()).then_some(rest)
        }
    }
}

/// By how many seconds an offset is before UTC: `Z`, `+02:00`, `+0200` or `+02`; none is UTC itself.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z" | "z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.strip_prefix(['+', '-'])?.chars().collect();
    let (hours, minutes) = match digits.as_bytes() {
        [_, _] => (&digits[..], "00"),
        [_, _, _, _] => digits.split_at_checked(2)?,
        [_, _, b':', _, _] => digits.split_once(':')?,
        _ => return None,
    };
    let number = |text: &str, most: i64| {
        let number: i64 = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
        (number <= most).then_some(number)
    };
    Some(sign * (number(hours, 23)? * 3600 + number(minutes, 59)? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_400_999, "2000-02-29T00:00:00"),
            (-1000, "1969-12-31T23:59:59"),
            (i64::MAX, "9999-12-31T23:59:59"),
            (i64::MIN, "0000-01-01T00:00:00"),
        ] {
            assert_eq!(utc(Timestamp(millis)), text);
        }
    }

    #[test]
    fn instants_are_read_in_every_form_that_clients_send() {
        for text in [
            "2050-01-01T00:00:00",
            "2050-01-01 00:00:00",
            "2050-01-01T00:00:00.987654",
            "2050-01-01T00:00:00Z",
            "2050-01-01T02:00:00+02:00",
            "2049-12-31T22:30:00-01:30",
            "2049-12-31T14:00:00,5-1000",
            "2049-12-31T01:00:00-23",
            "2050-01-01",
        ] {
            assert_eq!(parse(text).map(utc).as_deref(), Some("2050-01-01T00:00:00"), "{text}");
        }
        for text in ["9999-12-31T23:59:59", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00"] {
            assert_eq!(parse(text).map(utc).as_deref(), Some("9999-12-31T23:59:59"), "{text}");
        }
        assert_eq!(parse("9999-12-31").map(utc).as_deref(), Some("9999-12-31T00:00:00"));
        for text in [
            "",
            "foo",
            "null",
            "3600",
            "2026-13-01T00:00:00",
            "2026-02-30",
            "2026-01-01T25:00:00",
            "2026-01-01T00:00:00+30:00",
            "2026-01-01T00:00:00+25:00",
            "2026-01-01T00:00:00+01:60",
            "2026-01-01T00:00:00+1",
            "2026-01-01T00:00:00+é",
            "2026-01-01T00:00:00.",
            "2026-01-01T00:00:60",
            "2026-01-01T23",
            "2026-01-01T23:59",
            "2026-01-01T",
            "2026-01-01 ",
            "20500228T235959",
            "2026-1-1T00:00:00",
            "2026-01-01T00:00:00 ",
            "2026-01-0é",
            "2026-01-01T00:00:00[Europe/London]",
            "-002026-01-01T00:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was_whatever_the_offset() {
        for _ in 0..20_000 {
            let seconds = rand::random_range(-62_167_219_200..=253_402_300_799);
            let text = utc(Timestamp(seconds * 1000));
            assert_eq!(parse(&text), Some(Timestamp(seconds * 1000)), "{text}");
            let (hours, minutes) = (rand::random_range(0..24_i64), rand::random_range(0..60_i64));
            let earlier = Timestamp((seconds - hours * 3600 - minutes * 60) * 1000);
            for offset in [format!("+{hours:02}:{minutes:02}"), format!("+{hours:02}{minutes:02}")] {
                assert_eq!(parse(&format!("{text}.25{offset}")), Some(earlier), "{text}{offset}");
            }
        }
    }

    #[test]
    fn whatever_stands_in_a_place_is_read_or_refused() {
        const PIECES: [&str; 12] = ["0", "9", "1", "-", ":", "T", "Z", "+", ".", " ", "é", "[UTC]"];
        for _ in 0..20_000 {
            let mut text = "2026-01-01T00:00:00.5+02:00".to_owned();
            for _ in 0..rand::random_range(1..4) {
                let at = rand::random_range(0..text.chars().count());
                let at = text.char_indices().nth(at).map_or(0, |(index, _)| index);
                let end = if rand::random() { at } else { at + text[at..].chars().next().map_or(0, char::len_utf8) };
                text.replace_range(at..end, PIECES[rand::random_range(0..PIECES.len())]);
            }
            if let Some(at) = parse(&text) {
                assert_eq!(parse(&utc(at)), Some(at), "{text}");
            }
        }
    }
}
