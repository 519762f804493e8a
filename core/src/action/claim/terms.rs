//! For how long a claim is asked for.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::answer::Object;
use crate::error::{Error, Result};
use crate::json;
use crate::limits::{Limits, MIN_TTL};

/// The fields of a claim as a client words them: types checked, values not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    ttl: Option<i64>,
    grace: Option<i64>,
}

impl Terms {
    /// Reads the fields of a body; null counts as absent.
    ///
    /// # Errors
    /// `BadBody`: one is no integer.
    pub(super) fn of(body: &Object) -> Result<Terms> {
        Ok(Terms { ttl: json::int_field(body, "ttl")?, grace: json::int_field(body, "grace")? })
    }

    /// How long the claim lives.
    ///
    /// # Errors
    /// `BadValue`: shorter or longer than it may.
    pub(super) fn ttl(&self, limits: &Limits) -> Result<Duration> {
        time("TTL", self.ttl, limits.default_claim_ttl, MIN_TTL..=limits.max_claim_ttl)
    }

    /// How much longer its messages live.
    ///
    /// # Errors
    /// `BadValue`: shorter or longer than it may.
    pub(super) fn grace(&self, limits: &Limits) -> Result<Duration> {
        time("grace", self.grace, limits.default_claim_grace, MIN_TTL..=limits.max_claim_grace)
    }
}

fn time(what: &str, asked: Option<i64>, default: u64, range: RangeInclusive<u64>) -> Result<Duration> {
    let Some(asked) = asked else { return Ok(Duration::from_secs(default)) };
    let within = u64::try_from(asked).ok().filter(|asked| range.contains(asked));
    within.map(Duration::from_secs).ok_or_else(|| {
        let (min, max) = (range.start(), range.end());
        Error::value(format!(
            "The {what} for a claim may not exceed {max} seconds, and must be at least {min} seconds long."
        ))
    })
}
