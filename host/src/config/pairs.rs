//! Settings that go together.

use sukkal_core::Limits;

use super::section::Section;
use super::sections::Websocket;

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

/// Checks that a silent client is asked for a sign of life before it is taken for gone.
pub fn check_pings(section: &mut Section<'_>, websocket: &Websocket) {
    let [ping, idle] = [websocket.ping_interval, websocket.idle_timeout].map(|time| time.as_secs());
    if ping >= idle {
        let key =
            if section.origin("ping_interval") == super::Origin::Default { "idle_timeout" } else { "ping_interval" };
        let origin = section.origin(key);
        let problem = format!("does not fit: `ping_interval` is {ping}, and must be below `idle_timeout`, {idle}");
        section.wrong(&origin, key, problem, "set both");
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
