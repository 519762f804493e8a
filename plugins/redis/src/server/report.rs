//! What servers say of themselves: version, eviction, persistence, replicas.

use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, Value};
use sukkal_plugin_sdk::{Call, Error, Result};

use super::lines::Link;
use super::{Effect, Server, slots};
use crate::error;

/// The oldest Redis that will do: before it scripts may not read the clock and then write, and some
/// of our commands are missing.
pub const OLDEST: (u32, u32) = (6, 2);

/// Who a server says it is.
#[derive(Default)]
pub struct Identity {
    /// Major and minor version.
    pub version: Option<(u32, u32)>,
    /// `standalone`, `sentinel` or `cluster`.
    pub mode: Option<String>,
    /// Whether it takes what a master tells it, and nothing from us.
    pub is_replica: bool,
}

/// How the servers of a pool keep what they are given: of each thing, the least that any of them says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What happens when memory is full; none: it may not be read.
    pub eviction: Option<String>,
    /// Whether each write is on the disk before it is answered; none: it may not be read.
    pub synced: Option<bool>,
    /// Whether it is only written, and not synced, while a child of the server writes a file as well.
    pub pauses: bool,
    /// Whether writes are logged at all; none: it may not be read.
    pub logged: Option<bool>,
    /// Whether another server may take over, to which writes may not have come yet: nobody waits
    /// until they have.
    pub fails_over: bool,
    /// Slots of a cluster that one node takes in, and no other gives away.
    pub half_moved: Vec<u16>,
    /// Whether a cluster serves nothing at all while one of its slots has no master.
    pub all_or_nothing: bool,
}

impl Report {
    /// Whether what was acknowledged outlives a crash.
    pub fn is_durable(&self) -> bool {
        self.synced == Some(true) && !self.pauses && self.keeps_all() && !self.fails_over
    }

    /// Whether the servers never throw messages away by themselves.
    pub fn keeps_all(&self) -> bool {
        self.eviction.as_deref() == Some("noeviction")
    }

    /// What the operator should know.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match self.eviction.as_deref() {
            Some("noeviction") => {}
            Some(policy) => warnings.push(format!(
                "messages can vanish: the server's maxmemory-policy is {policy}; set it to noeviction"
            )),
            None => warnings.push(
                "messages may vanish: the server's maxmemory-policy cannot be read (CONFIG GET is refused); see that it \
                 is noeviction"
                    .to_owned(),
            ),
        }
        match (self.logged, self.synced) {
            (Some(true), Some(true)) if self.fails_over => warnings
                .push("a failover may lose what was acknowledged last, since replicas are written to later; set replicas=1 to wait for them"
                    .to_owned()),
            (Some(true), Some(true)) => {}
            (Some(true), Some(false)) => warnings.push(
                "a crash of the server's machine may lose the last messages: appendfsync is not always".to_owned(),
            ),
            (Some(false), _) => warnings
                .push("a crash of the server loses messages: set appendonly yes and appendfsync always".to_owned()),
            _ => warnings.push(
                "whether messages outlive a crash of the server cannot be read (CONFIG GET is refused)".to_owned(),
            ),
        }
        if self.synced == Some(true) && self.pauses {
            warnings.push(
                "a crash of the server's machine may lose what came while the server saved or rewrote its files: \
                 no-appendfsync-on-rewrite is yes; set it to no"
                    .to_owned(),
            );
        }
        warnings.extend(slots::warning(&self.half_moved));
        if self.all_or_nothing {
            warnings.push(
                "a node that is away, and has no replica to take over, takes all queues along; set \
                 cluster-require-full-coverage no"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// Asks who answers. What is not told is left out.
pub async fn identity(mut link: Link, patience: Duration) -> Result<Identity> {
    let asked = tokio_timeout(patience, ask_one(&mut link, "INFO", &[])).await?;
    let text = match asked {
        Ok(value) => text(&value),
        // Users can be kept from asking.
        Err(error) if error.code() == Some("NOPERM") => return Ok(Identity::default()),
        Err(error) => return Err(error::not_connected(&error).into_error()),
    };
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let version = field("redis_version").and_then(|version| {
        let mut parts = version.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    });
    let word = |name: &str| field(name).map(|word| word.trim().to_owned());
    Ok(Identity { version, mode: word("redis_mode"), is_replica: word("role").as_deref() == Some("slave") })
}

async fn tokio_timeout<T>(patience: Duration, asking: impl Future<Output = T>) -> Result<T> {
    let asked = sukkal_plugin_sdk::tokio::time::timeout(patience, asking).await;
    asked.map_err(|_| error::unreachable("no answer in time"))
}

fn command(name: &str, arguments: &[&str]) -> Cmd {
    let mut command = redis::cmd(name);
    for argument in arguments {
        command.arg(*argument);
    }
    command
}

async fn ask_one(link: &mut Link, name: &str, arguments: &[&str]) -> redis::RedisResult<Value> {
    let command = command(name, arguments);
    match link {
        Link::One(connection) => connection.req_packed_command(&command).await?.extract_error(),
        Link::Cluster(connection, _) => {
            let any = redis::cluster_routing::SingleNodeRoutingInfo::Random;
            connection.route_command(command, RoutingInfo::SingleNode(any)).await?.extract_error()
        }
    }
}

/// Asks all masters; one answer each.
async fn ask_all(server: &Server, call: &Call, name: &str, arguments: &[&str]) -> Result<Vec<Value>> {
    if !server.connector().is_cluster() {
        return Ok(vec![server.plain(call, Effect::Reads, &command(name, arguments)).await?]);
    }
    let patience = server.patience(call)?;
    let (link, _) = tokio_timeout(patience, server.lines.link()).await??;
    let Link::Cluster(mut connection, _) = link else { return Ok(Vec::new()) };
    let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let asked = tokio_timeout(patience, connection.route_command(command(name, arguments), masters)).await?;
    match asked.and_then(Value::extract_error).map_err(|error| error::of_reading(error::of_driver(&error)))? {
        Value::Map(nodes) => Ok(nodes.into_iter().map(|(_, answer)| answer).collect()),
        Value::Array(answers) => Ok(answers),
        other => Ok(vec![other]),
    }
}

/// Asks the servers how they keep data.
///
/// # Errors
/// They do not answer.
pub async fn read(server: &Server, call: &Call) -> Result<Report> {
    let eviction = setting(server, call, "maxmemory-policy").await?;
    let logged = setting(server, call, "appendonly").await?;
    let synced = setting(server, call, "appendfsync").await?;
    let pauses = setting(server, call, "no-appendfsync-on-rewrite").await?;
    let eviction = eviction.map(|all| {
        let lossy = all.iter().find(|policy| *policy != "noeviction");
        lossy.cloned().unwrap_or_else(|| "noeviction".to_owned())
    });
    let logged = logged.map(|all| all.iter().all(|logged| logged == "yes"));
    let synced = synced.map(|all| logged == Some(true) && all.iter().all(|synced| synced == "always"));
    let pauses = pauses.is_some_and(|all| all.iter().any(|pauses| pauses == "yes"));
    let fails_over = server.replicas == 0 && (server.connector().fails_over() || replicas(server, call).await?);
    let half_moved = half_moved(server, call).await?;
    let all_or_nothing = all_or_nothing(server, call).await?;
    Ok(Report { eviction, synced, pauses, logged, fails_over, half_moved, all_or_nothing })
}

/// A setting of each server; none, if we may not ask.
async fn setting(server: &Server, call: &Call, name: &str) -> Result<Option<Vec<String>>> {
    let answers = match ask_all(server, call, "CONFIG", &["GET", name]).await {
        Ok(answers) => answers,
        Err(error) if is_forbidden(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    // Some services answer with nothing where they do not want to tell.
    let values = answers.iter().map(value_of).collect::<Option<Vec<_>>>();
    Ok(values.filter(|values| !values.is_empty()))
}

/// Whether a cluster can put a replica in a master's place.
async fn replicas(server: &Server, call: &Call) -> Result<bool> {
    if !server.connector().is_cluster() {
        return Ok(false);
    }
    match ask_all(server, call, "INFO", &["replication"]).await {
        Ok(answers) => Ok(answers.iter().any(|answer| {
            let text = text(answer);
            let count = text.lines().find_map(|line| line.strip_prefix("connected_slaves:"));
            count.is_some_and(|count| count.trim() != "0")
        })),
        Err(error) if is_forbidden(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Slots of a cluster whose move broke off as a master was replaced; none, if we may not ask.
async fn half_moved(server: &Server, call: &Call) -> Result<Vec<u16>> {
    if !server.connector().is_cluster() {
        return Ok(Vec::new());
    }
    match ask_all(server, call, "CLUSTER", &["NODES"]).await {
        Ok(answers) => Ok(slots::half_moved(answers.iter().map(text))),
        Err(error) if is_forbidden(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether one master of a cluster, at least, answers nothing while a slot has none; no, if we may not ask.
async fn all_or_nothing(server: &Server, call: &Call) -> Result<bool> {
    if !server.connector().is_cluster() {
        return Ok(false);
    }
    let covered = setting(server, call, "cluster-require-full-coverage").await?;
    Ok(covered.is_some_and(|all| all.iter().any(|covered| covered == "yes")))
}

/// Refused by the server's access rules, or a command that its operator has renamed.
fn is_forbidden(error: &Error) -> bool {
    ["NOPERM", "unknown command", "no permissions"].iter().any(|sign| error.detail.contains(sign))
}

fn value_of(answer: &Value) -> Option<String> {
    match answer {
        Value::Array(pair) => pair.get(1).map(text),
        Value::Map(pairs) => pairs.first().map(|(_, value)| text(value)),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::VerbatimString { text, .. } => text.clone(),
        _ => String::new(),
    }
}

impl Server {
    /// Bytes that all servers of the pool take, and what is left to them, where they tell.
    ///
    /// # Errors
    /// They do not answer.
    pub async fn memory(&self, call: &Call) -> Result<(Option<u64>, Option<u64>)> {
        let answers = match ask_all(self, call, "INFO", &["memory"]).await {
            Ok(answers) => answers,
            Err(error) if is_forbidden(&error) => return Ok((None, None)),
            Err(error) => return Err(error),
        };
        let sum = |name: &str| answers.iter().map(|answer| info_number(&text(answer), name)).sum::<Option<u64>>();
        let (used, most) = (sum("used_memory:"), sum("maxmemory:"));
        let left = used.zip(most).filter(|(_, most)| *most > 0).map(|(used, most)| most.saturating_sub(used));
        Ok((used, left))
    }
}

fn info_number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)).and_then(|number| number.trim().parse().ok())
}
