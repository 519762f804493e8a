//! Posts over one websocket, beside those over HTTP.

use super::Bench;
use super::load::Measured;
use super::report::{Goal, Line, Unit};
use super::server::{Server, Setup};
use crate::failure::Failure;

/// Requests in flight on the one websocket, and connections over HTTP with one each.
const IN_FLIGHT: usize = 64;
/// What the rate over the websocket should be of that over HTTP.
const GOAL: f64 = 1.3;

/// Over SQLite and memory, in JSON and MessagePack.
pub fn measure(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    for (store, setup) in [("sqlite", Setup::sqlite()), ("memory", Setup::memory())] {
        let setup = setup.websocket();
        let rest_load = bench.timed("post").with("connections", IN_FLIGHT);
        let socket_load = bench.timed("post").with("connections", 1).with("in-flight", IN_FLIGHT);
        let mut rest = Measured::default();
        let mut sockets = [("json", Measured::default()), ("msgpack", Measured::default())];
        for _ in 0..bench.turns {
            rest = rest.better(rest_load.run(&Server::host(&bench.folder.join("host"), &setup)?)?);
            for (format, socket) in &mut sockets {
                let load = socket_load.clone().over_websocket().with("format", *format);
                *socket = socket.better(load.run(&Server::host(&bench.folder.join("host"), &setup)?)?);
            }
        }
        for (format, socket) in sockets {
            tell(Line {
                what: format!("post 1 KiB, {store}, websocket with {IN_FLIGHT} in flight, {format}"),
                made_of: vec![("rest/s", rest.rate), ("ws/s", socket.rate), ("p50", socket.p50), ("p99", socket.p99)],
                figure: socket.rate / rest.rate,
                unit: Unit::Share,
                goal: Goal::AtLeast(GOAL),
                note: "",
            });
        }
    }
    Ok(())
}
