//! How long the host takes from its start to its first answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Bench;
use super::load::Load;
use super::report::{Goal, Line, Unit};
use super::server::{Server, Setup};
use crate::failure::Failure;

/// With an empty data directory, and with a million messages.
pub fn measure(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    let folder = bench.folder.join("host");
    let mut empty = Vec::new();
    for _ in 0..bench.turns {
        let begun = Instant::now();
        let server = Server::host(&folder, &Setup::sqlite())?;
        empty.push(answered(&server, begun)?);
    }
    tell(line("empty", &empty, 150.0));
    let mut server = Server::host(&folder, &Setup::sqlite())?;
    Load::stock(1_000_000, 0).run(&server)?;
    let mut full = Vec::new();
    for _ in 0..bench.turns {
        server.stop()?;
        let begun = Instant::now();
        server.start_again()?;
        full.push(answered(&server, begun)?);
    }
    tell(line("1000000 messages", &full, 1000.0));
    Ok(())
}

/// The quickest of the starts: what else the machine did only makes them slower.
fn line(what: &str, starts: &[Duration], goal: f64) -> Line {
    let figure = starts.iter().min().map_or(0.0, |quickest| quickest.as_secs_f64() * 1000.0);
    Line {
        what: format!("start to first answer, {what}"),
        made_of: Vec::new(),
        figure,
        unit: Unit::Millis,
        goal: Goal::AtMost(goal),
        note: "",
    }
}

/// How long it took until a request was answered.
fn answered(server: &Server, begun: Instant) -> Result<Duration, Failure> {
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(server.address)?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().map_err(Failure::io("a host that has just started does not answer"))?;
    if answer.starts_with("HTTP/1.1 300") { Ok(begun.elapsed()) } else { Err(Failure::Found(answer)) }
}
