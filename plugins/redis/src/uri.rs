//! What a URI says: which servers, as whom, in which way.

use std::fmt;
use std::path::PathBuf;

use sukkal_plugin_sdk::store::tellable;
use sukkal_plugin_sdk::{Error, Result};

use crate::settings::{KNOWN, Settings};

/// The servers of a pool.
#[derive(Clone, PartialEq, Eq)]
pub struct Servers {
    /// How they stand together.
    pub kind: Kind,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// Who we are to them.
    pub user: User,
    /// The number of the database.
    pub database: i64,
}

/// How the servers of a pool stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One server. It may turn out to be a node of a cluster.
    One(Address),
    /// A socket of this machine.
    Socket(PathBuf),
    /// A master that Sentinels know by name.
    Sentinel {
        /// The Sentinels.
        sentinels: Vec<Address>,
        /// What they call the master.
        master: String,
        /// Who we are to them.
        user: User,
    },
    /// Some nodes of a cluster.
    Cluster(Vec<Address>),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A user with a password. It is never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct User {
    /// None: the default user.
    pub name: Option<String>,
    /// None: no password.
    pub password: Option<String>,
}

impl fmt::Display for Servers {
    /// Where they are, and nothing of who we are to them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::One(address) => address.fmt(f),
            Kind::Socket(path) => path.display().fmt(f),
            Kind::Sentinel { sentinels, master, .. } => write!(f, "{master}, by the Sentinels {}", all(sentinels)),
            Kind::Cluster(nodes) => write!(f, "the cluster of {}", all(nodes)),
        }
    }
}

fn all(addresses: &[Address]) -> String {
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User(…)")
    }
}

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// Parameters beside the settings.
const PARAMETERS: &str = "master, sentinel_username, sentinel_password, cluster, dbid, socket_timeout";

/// What the parameters of a URI say beside settings.
#[derive(Default)]
struct Parameters {
    master: Option<String>,
    sentinel: User,
    cluster: bool,
    database: Option<i64>,
}

/// Reads a URI; the settings that it overrides are set.
///
/// `redis://[[user]:password@]host[:6379][/database]`, `rediss://…` with TLS,
/// `redis://[:password@]/path.sock`, `redis://h1:26379,h2:26379?master=NAME`,
/// `redis://h1,h2?cluster=true` (spec: pools and flavors).
///
/// # Errors
/// `Invalid`: it is not like that, or names an unknown parameter.
pub fn parse(uri: &str, settings: &mut Settings) -> Result<Servers> {
    let (scheme, rest) = uri.split_once("://").ok_or_else(|| Error::invalid("the uri must be like redis://host"))?;
    let tls = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => return Err(Error::invalid("the uri must start with redis:// or rediss://")),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parameters = parameters(query, settings)?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (self::user(user)?, hosts),
        None => (User::default(), authority),
    };
    if hosts.is_empty() {
        return socket(tls, user, path, &parameters);
    }
    let named = path.trim_start_matches('/');
    let database = match (parameters.database, named) {
        (Some(number), "") => number,
        (None, "") => 0,
        (None, named) => number(named, "the database")?,
        (Some(_), _) => return Err(Error::invalid("the uri names the database twice")),
    };
    let kind = kind(hosts, parameters)?;
    if matches!(kind, Kind::Cluster(_)) && database != 0 {
        return Err(Error::invalid("a cluster has database 0 alone"));
    }
    Ok(Servers { kind, tls, user, database })
}

/// What is wrong with a URI, and with the settings beside it.
///
/// # Errors
/// As of [`parse`] and [`Settings::check`].
pub fn check(uri: &str, mut settings: Settings) -> Result<()> {
    parse(uri, &mut settings)?;
    settings.check()
}

fn socket(tls: bool, user: User, path: &str, parameters: &Parameters) -> Result<Servers> {
    let path = decoded(path)?;
    if path.len() < 2 {
        return Err(Error::invalid("the uri names no host and no socket; write redis://host or redis:///path.sock"));
    }
    if tls || parameters.cluster || parameters.master.is_some() {
        return Err(Error::invalid("a socket has no TLS, no master and no cluster"));
    }
    Ok(Servers { kind: Kind::Socket(path.into()), tls, user, database: parameters.database.unwrap_or(0) })
}

fn kind(hosts: &str, parameters: Parameters) -> Result<Kind> {
    let addresses = |port| hosts.split(',').map(|host| address(host, port)).collect::<Result<Vec<_>>>();
    match (parameters.master, parameters.cluster) {
        (Some(_), true) => Err(Error::invalid("a uri has master= or cluster=true, not both")),
        (Some(master), false) => {
            Ok(Kind::Sentinel { sentinels: addresses(SENTINEL_PORT)?, master, user: parameters.sentinel })
        }
        (None, true) => Ok(Kind::Cluster(addresses(PORT)?)),
        (None, false) => match <[Address; 1]>::try_from(addresses(PORT)?) {
            Ok([address]) => Ok(Kind::One(address)),
            Err(_) => Err(Error::invalid("several hosts need master=NAME, for Sentinel, or cluster=true")),
        },
    }
}

fn parameters(query: &str, settings: &mut Settings) -> Result<Parameters> {
    let mut parameters = Parameters::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)?;
        match name {
            "master" => parameters.master = Some(value).filter(|name| !name.is_empty()),
            "sentinel_username" => parameters.sentinel.name = Some(value),
            "sentinel_password" => parameters.sentinel.password = Some(value),
            "cluster" => parameters.cluster = flag(name, &value)?,
            "dbid" => parameters.database = Some(number(&value, "dbid")?),
            // In seconds, as the original has it.
            "socket_timeout" => settings.timeout_ms = seconds(&value)?,
            _ if settings.set(name, &value)? => {}
            _ => {
                let which =
                    if tellable(query, name) { format!("no parameter {name}") } else { "an unknown parameter".into() };
                return Err(Error::invalid(format!(
                    "the uri has {which}; it knows {PARAMETERS}, {KNOWN}; in a password `?`, `&`, `@` and `/` are \
                     written as %3F, %26, %40 and %2F"
                )));
            }
        }
    }
    Ok(parameters)
}

fn flag(name: &str, value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::invalid(format!("{name} must be true or false"))),
    }
}

fn seconds(value: &str) -> Result<u32> {
    let seconds = value.parse::<f64>().ok().filter(|seconds| (0.05..=60.0).contains(seconds));
    let seconds = seconds.ok_or_else(|| Error::invalid("socket_timeout must be from 0.05 to 60 seconds"))?;
    Ok((seconds * 1000.0) as u32)
}

fn number(text: &str, what: &str) -> Result<i64> {
    let number = text.parse().ok().filter(|number| (0..=65_535).contains(number));
    number.ok_or_else(|| Error::invalid(format!("{what} must be a number from 0 to 65535")))
}

fn user(text: &str) -> Result<User> {
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    let some = |text: &str| Ok(Some(decoded(text)?).filter(|text| !text.is_empty()));
    Ok(User { name: some(name)?, password: some(password)? })
}

fn address(text: &str, default_port: u16) -> Result<Address> {
    let wrong = || Error::invalid("the uri's hosts must be like name, name:port, or [address]:port");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or_else(wrong)?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let named = |letter: char| letter.is_alphanumeric() || ".-_:".contains(letter);
    if host.is_empty() || !host.chars().all(named) || (port.contains(':') && !text.starts_with('[')) {
        return Err(wrong());
    }
    let port = if port.is_empty() { default_port } else { port.parse().map_err(|_| wrong())? };
    Ok(Address { host: host.to_owned(), port })
}

/// A text with its `%XX` read.
fn decoded(text: &str) -> Result<String> {
    let wrong = || Error::invalid("the uri has a % that is not followed by two hexadecimal digits of UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uri: &str) -> Result<Servers> {
        parse(uri, &mut Settings::default())
    }

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn uris_name_one_server_a_socket_sentinels_or_a_cluster() {
        let sentinel = |sentinels| Kind::Sentinel { sentinels, master: "m".to_owned(), user: User::default() };
        for (uri, kind) in [
            ("redis://h", Kind::One(at("h", 6379))),
            ("rediss://h:1", Kind::One(at("h", 1))),
            ("redis://[::1]:7", Kind::One(at("::1", 7))),
            ("redis:///run/redis.sock", Kind::Socket("/run/redis.sock".into())),
            ("redis://:p@/run/redis.sock", Kind::Socket("/run/redis.sock".into())),
            ("redis://a,b:5?master=m", sentinel(vec![at("a", 26379), at("b", 5)])),
            ("redis://a,b:5?cluster=true", Kind::Cluster(vec![at("a", 6379), at("b", 5)])),
        ] {
            assert_eq!(read(uri).map(|servers| servers.kind).ok(), Some(kind), "{uri}");
        }
        for uri in [
            "redis:h",
            "http://h",
            "redis://",
            "redis://a,b",
            "redis://h:x",
            "redis://h:1:2",
            "redis://a?cluster=true&master=m",
            "redis://h/x",
            "redis://h/1?dbid=2",
            "redis://h?cluster=true&dbid=1",
            "rediss:///run/s",
            "redis://h%2",
        ] {
            assert!(read(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn servers_are_named_without_users() {
        for (uri, shown) in [
            ("redis://me:hidden@h/3", "h:6379"),
            ("redis://:hidden@[::1]:7", "[::1]:7"),
            ("redis://:hidden@/run/redis.sock", "/run/redis.sock"),
            ("redis://me:hidden@a,b:5?master=m&sentinel_password=hidden", "m, by the Sentinels a:26379, b:5"),
            ("redis://:hidden@a,b?cluster=true", "the cluster of a:6379, b:6379"),
        ] {
            assert_eq!(read(uri).map(|servers| servers.to_string()).ok().as_deref(), Some(shown), "{uri}");
        }
    }

    #[test]
    fn users_databases_and_settings_are_read() {
        let mut settings = Settings::default();
        let servers = parse("redis://u%40x:p%3A@h/3?prefix=a&timeout_ms=70", &mut settings).ok();
        let servers = servers.map(|servers| (servers.user.name, servers.user.password, servers.database));
        assert_eq!(servers, Some((Some("u@x".to_owned()), Some("p:".to_owned()), 3)));
        assert_eq!((settings.prefix.as_str(), settings.timeout_ms), ("a", 70));
        parse("redis://h?socket_timeout=0.1", &mut settings).ok();
        assert_eq!(settings.timeout_ms, 100);
        let refused = read("redis://h?time=1").map_err(|error| error.message).err();
        assert!(refused.is_some_and(|text| text.contains("no parameter time") && text.contains("timeout_ms")));
        for uri in ["redis://me:x?hidden@h", "redis://me:12?hidden=1@h", "redis://h?sentinel_password=a&hidden"] {
            let refused = read(uri).map_err(|error| error.message).err();
            assert!(refused.as_ref().is_some_and(|text| !text.contains("hidden")), "{uri}: {refused:?}");
        }
    }
}
