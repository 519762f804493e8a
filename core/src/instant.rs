//! Instants as text: ISO 8601, in UTC.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use sukkal_plugin_sdk::Timestamp;

/// `2026-01-01T00:00:00`: whole seconds, cut. What no year of four digits holds is written as the
/// nearest that it does.
pub fn utc(at: Timestamp) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.0);
    let instant = instant.unwrap_or(if at.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX });
    Offset::UTC.to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Reads a date, or date and time with `T` or a blank between, an optional fraction and an optional
/// offset; without one it is UTC. Fractions of a second are cut. The last two days of the year 9999,
/// by which some mean that there is no end, are cut to the last instant that can be written.
pub fn parse(text: &str) -> Option<Timestamp> {
    // An annotation (`[Europe/London]`) would be read over without an offset.
    if !text.starts_with(|first: char| first.is_ascii_digit()) || text.contains('[') {
        return None;
    }
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => {
            let local = text.strip_suffix(['Z', 'z']).unwrap_or(text).parse::<DateTime>().ok()?;
            Offset::UTC.to_timestamp(local).unwrap_or(jiff::Timestamp::MAX)
        }
    };
    Some(Timestamp(instant.as_second().checked_mul(1000)?))
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
            (i64::MAX, "9999-12-30T22:00:00"),
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
            "2050-01-01",
        ] {
            assert_eq!(parse(text).map(utc).as_deref(), Some("2050-01-01T00:00:00"), "{text}");
        }
        for text in ["9999-12-31T23:59:59", "9999-12-31T23:59:59Z", "9999-12-31"] {
            assert_eq!(parse(text).map(utc).as_deref(), Some("9999-12-30T22:00:00"), "{text}");
        }
        for text in [
            "",
            "foo",
            "null",
            "3600",
            "2026-13-01T00:00:00",
            "2026-02-30",
            "2026-01-01T25:00:00",
            "2026-01-01T00:00:00+30:00",
            "2026-01-01T00:00:00[Europe/London]",
            "-002026-01-01T00:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
