//! Which limits make sense (spec: REST §9).

use sukkal_core::{Limits, MIN_TTL};

use super::section::Section;

/// A hundred years, in seconds: longer lives are mistakes, and would not fit a store's clock.
const LONGEST: u64 = 3_155_760_000;
/// What one request may hold in memory at the most, in bytes.
const LARGEST: u64 = 1 << 30;
/// The most items that one answer may have.
const WIDEST: u64 = 100_000;

/// Checks each limit by itself, and those that go together.
pub fn check(section: &mut Section<'_>, limits: &Limits) {
    for (key, value, least, most) in bounds(limits) {
        if value < least || value > most {
            let origin = section.origin(key);
            section.wrong(&origin, key, format!("is {value}, and must be from {least} to {most}"), "");
        }
    }
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

fn bounds(limits: &Limits) -> [(&'static str, u64, u64, u64); 20] {
    let of = |length: usize| length as u64;
    [
        ("default_message_ttl", limits.default_message_ttl, MIN_TTL, LONGEST),
        ("default_message_delay", limits.default_message_delay, 0, LONGEST),
        ("default_claim_ttl", limits.default_claim_ttl, MIN_TTL, LONGEST),
        ("default_claim_grace", limits.default_claim_grace, MIN_TTL, LONGEST),
        ("default_subscription_ttl", limits.default_subscription_ttl, MIN_TTL, LONGEST),
        ("max_queues_per_page", limits.max_queues_per_page.into(), 1, WIDEST),
        ("max_messages_per_page", limits.max_messages_per_page.into(), 1, WIDEST),
        ("max_subscriptions_per_page", limits.max_subscriptions_per_page.into(), 1, WIDEST),
        ("max_pools_per_page", limits.max_pools_per_page.into(), 1, WIDEST),
        ("max_flavors_per_page", limits.max_flavors_per_page.into(), 1, WIDEST),
        ("max_messages_per_claim_or_pop", limits.max_messages_per_claim_or_pop.into(), 1, WIDEST),
        ("max_queue_metadata", limits.max_queue_metadata, 2, LARGEST),
        ("max_messages_post_size", limits.max_messages_post_size, 1, LARGEST),
        ("max_message_ttl", limits.max_message_ttl, MIN_TTL, LONGEST),
        ("max_message_delay", limits.max_message_delay, 0, LONGEST),
        ("max_claim_ttl", limits.max_claim_ttl, MIN_TTL, LONGEST),
        ("max_claim_grace", limits.max_claim_grace, MIN_TTL, LONGEST),
        ("min_length_client_id", of(limits.min_length_client_id), 1, 1024),
        ("max_length_client_id", of(limits.max_length_client_id), 1, 1024),
        ("request_timeout", limits.request_timeout, 1, 3600),
    ]
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
