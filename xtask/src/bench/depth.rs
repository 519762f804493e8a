//! The rows `depth-…`: rates in deep queues and among many, beside those in shallow ones.
//!
//! The machine's pace changes from second to second by more than what is looked for, and the best
//! second of each side is the luckiest. So the two sides take turns, each first as often as the
//! other, and the figure is the middle one of the turns' ratios.

use std::time::{Duration, Instant};

use super::Bench;
use super::load::{Load, QUEUES};
use super::report::{Goal, Line, Unit};
use super::server::{Server, Setup};
use crate::failure::Failure;

/// Connections at work.
const CONNECTIONS: usize = 16;
/// What the rate in a deep queue may be of that in a shallow one.
const GOAL: f64 = 0.9;
/// The shortest life that a message can have, and a little.
const SHORTEST: Duration = Duration::from_secs(62);
/// Filling queues with what is to expire takes less than this.
const FILLING: Duration = Duration::from_secs(60);
/// For at least so long after that it is still being cleared away.
const CLEARING: Duration = Duration::from_secs(20);
/// What expires is posted in so many parts, each with the life that is left until then.
const PARTS: usize = 20;

/// What the host holds before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// So many messages in all, that anybody can claim.
    Messages(usize),
    /// So many messages at the heads of the queues that are still delayed, and a thousand behind.
    Delayed(usize),
    /// So many messages at the heads of the queues that have expired within a second or two, and a
    /// thousand behind.
    Expired(usize),
    /// So many empty queues.
    Queues(usize),
}

impl Stock {
    fn name(self) -> String {
        match self {
            Stock::Messages(count) => format!("{count} messages"),
            Stock::Delayed(count) => format!("{count} delayed before 1000"),
            Stock::Expired(count) => format!("{count} just expired before 1000"),
            Stock::Queues(count) => format!("{count} queues"),
        }
    }
}

/// What is compared: the work of `sukkal bench`, the shallow stock, the deep one.
pub type Pair = (&'static str, Stock, Stock);

const PAIRS: [Pair; 9] = [
    ("post", Stock::Messages(1_000), Stock::Messages(1_000_000)),
    ("cycle", Stock::Messages(1_000), Stock::Messages(1_000_000)),
    ("list", Stock::Messages(1_000), Stock::Messages(1_000_000)),
    ("cycle", Stock::Messages(1_000), Stock::Delayed(1_000_000)),
    ("list", Stock::Messages(1_000), Stock::Delayed(1_000_000)),
    ("cycle", Stock::Messages(1_000), Stock::Expired(1_000_000)),
    ("list", Stock::Messages(1_000), Stock::Expired(1_000_000)),
    ("list-others", Stock::Messages(1_000), Stock::Messages(1_000_000)),
    ("post", Stock::Queues(10), Stock::Queues(100_000)),
];

/// A million messages that anybody can claim.
pub fn messages(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    measure(bench, tell, |deep| matches!(deep, Stock::Messages(_)))
}

/// A million delayed ones before the others.
pub fn delayed(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    measure(bench, tell, |deep| matches!(deep, Stock::Delayed(_)))
}

/// A million before the others that have just expired.
pub fn expired(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    measure(bench, tell, |deep| matches!(deep, Stock::Expired(_)))
}

/// A hundred thousand queues.
pub fn queues(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    measure(bench, tell, |deep| matches!(deep, Stock::Queues(_)))
}

/// Measures the pairs of one kind of depth.
fn measure(bench: &Bench, tell: &mut dyn FnMut(Line), kind: fn(Stock) -> bool) -> Result<(), Failure> {
    for pair in PAIRS.into_iter().filter(|(_, _, deep)| kind(*deep)) {
        tell(compared(bench, "", [Setup::sqlite(), Setup::sqlite()], pair)?);
    }
    Ok(())
}

/// Measures a pair, each side over a host of its own; `place` begins the line.
pub fn compared(bench: &Bench, place: &str, setups: [Setup; 2], pair: Pair) -> Result<Line, Failure> {
    let (work, shallow, deep) = pair;
    let turns = turns(bench, setups, pair)?;
    let middle_of = |figure: fn(&Turn) -> f64| middle(turns.iter().map(figure).collect());
    Ok(Line {
        what: format!("{place}{work}, {} against {}", deep.name(), shallow.name()),
        made_of: vec![("shallow/s", middle_of(|turn| turn.shallow)), ("deep/s", middle_of(|turn| turn.deep))],
        figure: middle_of(|turn| turn.deep / turn.shallow),
        unit: Unit::Share,
        goal: Goal::AtLeast(GOAL),
        note: "",
    })
}

/// Rates of both sides, one right after the other.
#[derive(Clone, Copy, Debug)]
struct Turn {
    shallow: f64,
    deep: f64,
}

/// Both hosts run at the same time and are measured in turns.
fn turns(bench: &Bench, setups: [Setup; 2], (work, shallow, deep): Pair) -> Result<Vec<Turn>, Failure> {
    let one = Server::host(&bench.folder.join("shallow"), &setups[0])?;
    let other = Server::host(&bench.folder.join("deep"), &setups[1])?;
    stock(&one, shallow)?;
    stock(&other, deep)?;
    // The queues are there; a cycle puts back as many as it takes.
    let load = bench.timed(work).with("connections", CONNECTIONS).with("fill", 0).flag("made");
    let load = if work == "cycle" { load.with("batch", 10) } else { load };
    let rate = |server, stock| Ok(load.clone().with("queues", n_queues(stock)).run(server)?.rate);
    let turn = |number| {
        let early = if number % 2 == 0 { Some(rate(&one, shallow)?) } else { None };
        let deep = rate(&other, deep)?;
        Ok(Turn { deep, shallow: early.map_or_else(|| rate(&one, shallow), Ok)? })
    };
    let begun = Instant::now();
    // What has just expired is cleared away after a while.
    let is_so = || !matches!(deep, Stock::Expired(_)) || begun.elapsed() < CLEARING;
    (0..bench.turns).take_while(|number| *number == 0 || is_so()).map(turn).collect()
}

/// The one in the middle; of an even number, between the two that are.
fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    match figures.len() % 2 {
        0 => figures[half.saturating_sub(1)..=half].iter().sum::<f64>() / 2.0,
        _ => figures[half],
    }
}

fn n_queues(stock: Stock) -> usize {
    if let Stock::Queues(count) = stock { count } else { QUEUES }
}

fn stock(server: &Server, stock: Stock) -> Result<(), Failure> {
    match stock {
        Stock::Messages(count) => Load::stock(count, 0).run(server)?,
        Stock::Delayed(count) => {
            Load::stock(count, 900).run(server)?;
            Load::stock(1_000, 0).run(server)?
        }
        Stock::Expired(count) => {
            let end = Instant::now() + FILLING + SHORTEST;
            let left = || end.saturating_duration_since(Instant::now());
            for _ in 0..PARTS {
                Load::stock(count / PARTS, 0).with("ttl", left().as_secs()).run(server)?;
            }
            let behind = Load::stock(1_000, 0).run(server)?;
            std::thread::sleep(left());
            behind
        }
        Stock::Queues(count) => Load::new("post").with("queues", count).with("count", 1).run(server)?,
    };
    Ok(())
}
