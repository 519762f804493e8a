//! The scripts that run inside the server, how they are called, and how their answers are read.
//!
//! Each is one operation: one round trip, atomic. A server forgets scripts when it starts; one that it
//! does not know is sent whole, which makes it known.

use std::sync::LazyLock;
use std::time::Instant;
use std::vec::IntoIter;

use redis::{Cmd, ToRedisArgs, Value};
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Bytes, Call, Error, Place, Result};

use crate::error;
use crate::server::{Answer, Effect, Server};

/// A script.
pub struct Script {
    text: String,
    hash: String,
    effect: Effect,
}

/// All of them.
pub struct Scripts {
    pub configure: Script,
    pub post: Script,
    pub posted: Script,
    pub list: Script,
    pub get: Script,
    pub delete: Script,
    pub pop: Script,
    pub claim: Script,
    pub claim_get: Script,
    pub renew: Script,
    pub release: Script,
    pub stats: Script,
    pub purge: Script,
    pub drop: Script,
    pub look: Script,
    pub sweep: Script,
    pub queues: Script,
    pub due: Script,
    pub lease: Script,
    pub watch: Script,
    pub export: Script,
    pub import: Script,
}

const COMMON: &str = include_str!("scripts/common.lua");
const ADMIT: &str = include_str!("scripts/admit.lua");
const SETTLE: &str = concat!(include_str!("scripts/letter.lua"), include_str!("scripts/settle.lua"));
const HOLD: &str = include_str!("scripts/hold.lua");
const BURY: &str = include_str!("scripts/bury.lua");
const MERGE: &str = include_str!("scripts/merge.lua");
const CLEAR: &str = include_str!("scripts/clear.lua");
const SWEEP: &str = include_str!("scripts/sweep.lua");
const KNOWN: &str = include_str!("scripts/known.lua");

/// Each script is put together of the parts that it needs: what is defined is made anew at each run.
pub static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    use Effect::{Lasts, Reads, Writes};
    Scripts {
        configure: Script::new(Writes, &[include_str!("scripts/configure.lua")]),
        post: Script::new(Writes, &[ADMIT, include_str!("scripts/post.lua")]),
        posted: Script::new(Lasts, &[include_str!("scripts/posted.lua")]),
        list: Script::new(Lasts, &[ADMIT, SETTLE, MERGE, include_str!("scripts/list.lua")]),
        get: Script::new(Reads, &[ADMIT, include_str!("scripts/get.lua")]),
        delete: Script::new(Writes, &[ADMIT, include_str!("scripts/delete.lua")]),
        pop: Script::new(Writes, &[ADMIT, SETTLE, include_str!("scripts/pop.lua")]),
        claim: Script::new(Writes, &[ADMIT, SETTLE, HOLD, BURY, include_str!("scripts/claim.lua")]),
        claim_get: Script::new(Reads, &[ADMIT, HOLD, include_str!("scripts/claim_get.lua")]),
        renew: Script::new(Writes, &[ADMIT, HOLD, include_str!("scripts/renew.lua")]),
        release: Script::new(Writes, &[ADMIT, SETTLE, HOLD, include_str!("scripts/release.lua")]),
        stats: Script::new(Reads, &[ADMIT, SETTLE, include_str!("scripts/stats.lua")]),
        purge: Script::new(Writes, &[ADMIT, CLEAR, include_str!("scripts/purge.lua")]),
        drop: Script::new(Writes, &[CLEAR, include_str!("scripts/drop.lua")]),
        look: Script::new(Reads, &[include_str!("scripts/look.lua")]),
        sweep: Script::new(Writes, &[SETTLE, BURY, SWEEP, include_str!("scripts/sweep_tag.lua")]),
        queues: Script::new(Reads, &[KNOWN, include_str!("scripts/queues.lua")]),
        due: Script::new(Reads, &[SETTLE, BURY, SWEEP, KNOWN, include_str!("scripts/due.lua")]),
        lease: Script::new(Writes, &[ADMIT, include_str!("scripts/lease.lua")]),
        watch: Script::new(Reads, &[SETTLE, include_str!("scripts/watch.lua")]),
        export: Script::new(Lasts, &[ADMIT, SETTLE, MERGE, include_str!("scripts/export.lua")]),
        import: Script::new(Writes, &[ADMIT, include_str!("scripts/import.lua")]),
    }
});

impl Script {
    fn new(effect: Effect, parts: &[&str]) -> Script {
        let text = COMMON.to_owned() + &parts.concat();
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Script { text, hash, effect }
    }
}

/// A call of a script.
pub struct Request {
    script: &'static Script,
    command: Cmd,
}

impl Request {
    /// On the keys that begin like this one; by how much a test has put the clock forward.
    ///
    /// The key beside it is never there. While a cluster moves a slot, some of a queue's keys are on one node and
    /// some on another, and a script would be ended half-way at the first that is elsewhere. One that names
    /// several keys, of which one is missing, is refused before it begins.
    pub fn new(script: &'static Script, key: &[u8], shift: i64) -> Request {
        let mut command = Cmd::with_capacity(16, 256);
        command.arg("EVALSHA").arg(&script.hash).arg(2).arg(key).arg([key, b"!"].concat()).arg(shift);
        Request { script, command }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl ToRedisArgs) -> Request {
        self.command.arg(argument);
        self
    }

    /// Adds several.
    pub fn args<A: ToRedisArgs>(mut self, arguments: impl IntoIterator<Item = A>) -> Request {
        for argument in arguments {
            self.command.arg(argument);
        }
        self
    }

    /// All that is sent, piece by piece.
    #[cfg(test)]
    pub fn arguments(&self) -> Vec<Vec<u8>> {
        let simple = |argument| match argument {
            redis::Arg::Simple(bytes) => Some(Vec::from(bytes)),
            _ => None,
        };
        self.command.args_iter().filter_map(simple).collect()
    }

    /// The same, with the script itself in place of its hash.
    fn whole(&self) -> Cmd {
        let mut whole = Cmd::new();
        whole.arg("EVAL").arg(&self.script.text);
        for argument in self.command.args_iter().skip(2) {
            if let redis::Arg::Simple(argument) = argument {
                whole.arg(argument);
            }
        }
        whole
    }
}

/// What came of a step.
pub enum Step {
    /// The rest of the answer.
    Done(Reply),
    /// Much has fallen due; so much of it is settled now, and it is to be asked again.
    Again,
    /// Nothing: the cluster is moving the data to another node. What is answered where that lasts too long.
    Moving(Error),
}

impl Server {
    /// Runs a script once.
    ///
    /// # Errors
    /// What the script refuses, and whatever else can go wrong on the way.
    pub async fn step(&self, call: &Call, request: &Request) -> Result<Step> {
        let effect = request.script.effect;
        let answer = match self.send(call, effect, &request.command).await? {
            Answer::NoScript => self.send(call, effect, &request.whole()).await?,
            answer => answer,
        };
        let values = match answer {
            Answer::Value(Value::Array(values)) => values,
            Answer::Moving(error) => return Ok(Step::Moving(error)),
            Answer::Value(_) | Answer::NoScript => return Err(error::unexpected("no array")),
        };
        let mut reply = Reply(values.into_iter());
        match reply.int()? {
            0 => Ok(Step::Done(reply)),
            1 => Ok(Step::Again),
            2 => Err(refusal::gone()),
            3 => Err(refusal::old_epoch()),
            4 => Err(refusal::old_fence()),
            5 => Err(refusal::no_fence()),
            6 => Err(refusal::other_fingerprint()),
            7 => Err(error::no_more_places()),
            _ => Err(error::unexpected("an unknown refusal")),
        }
    }

    /// Runs a script, and again while there is something to settle before, or while the data are being moved.
    ///
    /// # Errors
    /// As of [`Server::step`]. `Unavailable`: moving the data takes longer than an answer may.
    pub async fn run(&self, call: &Call, request: Request) -> Result<Reply> {
        let begun = Instant::now();
        loop {
            match self.step(call, &request).await? {
                Step::Done(reply) => return Ok(reply),
                Step::Again => {}
                Step::Moving(error) => self.wait_for_move(call, begun, error).await?,
            }
        }
    }
}

/// The rest of an answer, read piece by piece.
pub struct Reply(IntoIter<Value>);

impl Reply {
    /// A whole number.
    ///
    /// # Errors
    /// There is none.
    pub fn int(&mut self) -> Result<i64> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(number),
            Some(Value::BulkString(digits)) => {
                let number = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
                number.ok_or_else(|| error::unexpected("no number"))
            }
            _ => Err(error::unexpected("no number")),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// There is none.
    pub fn count(&mut self) -> Result<u64> {
        u64::try_from(self.int()?).map_err(|_| error::unexpected("a negative number"))
    }

    /// A place.
    ///
    /// # Errors
    /// There is none.
    pub fn place(&mut self) -> Result<Place> {
        self.count().map(Place)
    }

    /// Bytes, or none where the script has none.
    ///
    /// # Errors
    /// There is something else.
    pub fn bytes(&mut self) -> Result<Option<Bytes>> {
        match self.0.next() {
            Some(Value::BulkString(bytes)) => Ok(Some(Bytes::from(bytes))),
            Some(Value::Nil) | None => Ok(None),
            Some(_) => Err(error::unexpected("no bytes")),
        }
    }

    /// Whether all is read.
    pub fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }
}
