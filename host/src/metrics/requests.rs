//! Requests: how many ended how, how long they took, how many messages went through them.

use std::sync::OnceLock;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use sukkal_core::{Ended, Observer, Outcome};
use sukkal_plugin_sdk::{Action, Transport};

use super::{Error, SECONDS, register};

/// Actions are numbered below this: filters know them by a bit each.
const ACTIONS: usize = 128;
/// The transports that are told apart, and one for all others.
const TRANSPORTS: usize = NAMED.len();
const NAMED: [Transport; 4] = [Transport::Rest, Transport::Websocket, Transport::Internal, Transport::Other(u32::MAX)];

/// The families, and the series in use, found by action and transport.
pub struct Requests {
    ended: IntCounterVec,
    durations: HistogramVec,
    messages: IntCounterVec,
    in_flight: [IntGauge; TRANSPORTS],
    series: Box<[OnceLock<Box<Series>>]>,
}

/// The series of one action over one transport.
struct Series {
    duration: Histogram,
    messages: IntCounter,
    outcomes: [OnceLock<IntCounter>; Outcome::ALL.len()],
}

impl Requests {
    /// Sets them up; nothing is counted yet.
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        let labels = ["action", "transport"];
        let ended = Opts::new("sukkal_requests_total", "Requests, by outcome.");
        let durations = HistogramOpts::new(
            "sukkal_request_duration_seconds",
            "How long requests took, from when the body was there to when the answer was.",
        );
        let messages = Opts::new("sukkal_request_messages_total", "Messages that requests stored or were given.");
        let durations = HistogramVec::new(durations.buckets(SECONDS.to_vec()), &labels)?;
        let in_flight = Opts::new("sukkal_requests_in_flight", "Requests that are being answered.");
        let in_flight = register(registry, &IntGaugeVec::new(in_flight, &["transport"])?)?;
        Ok(Requests {
            in_flight: NAMED.map(|transport| in_flight.with_label_values(&[transport.name()])),
            ended: register(registry, &IntCounterVec::new(ended, &["action", "transport", "outcome"])?)?,
            durations: register(registry, &durations)?,
            messages: register(registry, &IntCounterVec::new(messages, &labels)?)?,
            series: (0..ACTIONS * TRANSPORTS).map(|_| OnceLock::new()).collect(),
        })
    }

    fn make(&self, action: Action, transport: Transport) -> Box<Series> {
        let labels = [action.name(), transport.name()];
        Box::new(Series {
            duration: self.durations.with_label_values(&labels),
            messages: self.messages.with_label_values(&labels),
            outcomes: Default::default(),
        })
    }
}

impl Observer for Requests {
    fn request_began(&self, transport: Transport) {
        self.in_flight[place(transport)].inc();
    }

    fn request_ended(&self, ended: &Ended) {
        let Ended { action, transport, outcome, n_messages, took } = ended;
        self.in_flight[place(*transport)].dec();
        let Some(series) = self.series.get(index(*action, *transport)) else { return };
        let series = series.get_or_init(|| self.make(*action, *transport));
        series.duration.observe(took.as_secs_f64());
        series.messages.inc_by(*n_messages as u64);
        let count = || self.ended.with_label_values(&[action.name(), transport.name(), outcome.name()]);
        series.outcomes[*outcome as usize].get_or_init(count).inc();
    }
}

fn index(action: Action, transport: Transport) -> usize {
    action.code() as usize * TRANSPORTS + place(transport)
}

fn place(transport: Transport) -> usize {
    match transport {
        Transport::Rest => 0,
        Transport::Websocket => 1,
        Transport::Internal => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_and_outcome_has_a_place_of_its_own() {
        let mut places: Vec<usize> = Action::ALL.iter().map(|action| index(*action, Transport::Websocket)).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), Action::ALL.len());
        assert!(places.iter().all(|place| *place < ACTIONS * TRANSPORTS));
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }
}
