//! Limits that go together.

use sukkal_core::Limits;

use super::section::Section;

/// Checks that no default is beyond what clients may ask for.
pub fn check(section: &mut Section<'_>, limits: &Limits) {
    for (low, low_value, high, high_value) in pairs(limits) {
        if low_value > high_value {
            // Named is the one that was set; the other may be a default.
            let named = if section.origin(low) == super::Origin::Default { high } else { low };
            let origin = section.origin(named);
            section.wrong(
                &origin,
                named,
                format!("does not fit: `{low}` is {low_value}, and `{high}` only {high_value}"),
                "set both",
            );
        }
    }
}

fn pairs(limits: &Limits) -> [(&'static str, u64, &'static str, u64); 5] {
    [
        ("default_message_ttl", limits.default_message_ttl, "max_message_ttl", limits.max_message_ttl),
        ("default_message_delay", limits.default_message_delay, "max_message_delay", limits.max_message_delay),
        ("default_claim_ttl", limits.default_claim_ttl, "max_claim_ttl", limits.max_claim_ttl),
        ("default_claim_grace", limits.default_claim_grace, "max_claim_grace", limits.max_claim_grace),
        (
            "min_length_client_id",
            limits.min_length_client_id as u64,
            "max_length_client_id",
            limits.max_length_client_id as u64,
        ),
    ]
}
