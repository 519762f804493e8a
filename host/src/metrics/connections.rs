//! Connections of each listener.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::{Error, register};

/// The families.
pub struct ConnectionFamilies {
    open: IntGaugeVec,
    accepted: IntCounterVec,
    refused: IntCounterVec,
    handshakes_failed: IntCounterVec,
    certificates: IntGaugeVec,
}

/// Counts the connections of one listener. Cheap to clone.
#[derive(Clone)]
pub struct Meter {
    open: IntGauge,
    accepted: IntCounter,
    refused: IntCounter,
    handshakes_failed: IntCounter,
}

/// A connection that is open, for as long as this lives.
pub struct Counted(IntGauge);

impl ConnectionFamilies {
    /// Sets them up; nothing is counted yet.
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        let labels = ["transport"];
        let open = Opts::new("sukkal_connections", "Connections that are open.");
        let accepted = Opts::new("sukkal_connections_accepted_total", "Connections that were accepted.");
        let refused =
            Opts::new("sukkal_connections_refused_total", "Connections that were refused, since there were too many.");
        let failed = Opts::new("sukkal_tls_handshakes_failed_total", "TLS handshakes that did not come to their end.");
        let certificates = Opts::new(
            "sukkal_tls_certificate_expiry_timestamp_seconds",
            "When the first of a listener's certificates ends, in seconds since 1970.",
        );
        Ok(ConnectionFamilies {
            open: register(registry, &IntGaugeVec::new(open, &labels)?)?,
            accepted: register(registry, &IntCounterVec::new(accepted, &labels)?)?,
            refused: register(registry, &IntCounterVec::new(refused, &labels)?)?,
            handshakes_failed: register(registry, &IntCounterVec::new(failed, &labels)?)?,
            certificates: register(registry, &IntGaugeVec::new(certificates, &labels)?)?,
        })
    }

    /// Tells when a listener's certificate ends.
    pub fn certificate(&self, transport: &str, ends: i64) {
        self.certificates.with_label_values(&[transport]).set(ends);
    }

    /// For one listener.
    pub fn meter(&self, transport: &str) -> Meter {
        Meter {
            open: self.open.with_label_values(&[transport]),
            accepted: self.accepted.with_label_values(&[transport]),
            refused: self.refused.with_label_values(&[transport]),
            handshakes_failed: self.handshakes_failed.with_label_values(&[transport]),
        }
    }
}

impl Meter {
    /// A connection was accepted.
    pub fn accepted(&self) -> Counted {
        self.accepted.inc();
        self.open.inc();
        Counted(self.open.clone())
    }

    /// A connection did not come to the end of its TLS handshake.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// A connection was refused.
    pub fn refused(&self) {
        self.refused.inc();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
