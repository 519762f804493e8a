//! One spelling for each store, so that none is registered twice (spec: pools and flavors).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};

use url::form_urlencoded;

/// Ports that need not be written.
const PORTS: [(&str, u16); 6] =
    [("redis", 6379), ("rediss", 6379), ("mongodb", 27017), ("postgres", 5432), ("postgresql", 5432), ("mysql", 3306)];
/// Has its hosts and their ports looked up by a name.
const LOOKED_UP: &str = "mongodb+srv";
/// Parameters that say which part of a server is meant. Where the store is a file, a socket or a server whose
/// port is known, no others count.
const PARTS: [&str; 7] = ["db", "dbid", "database", "namespace", "prefix", "key_prefix", "master"];
/// The part that is meant where none is named.
const FIRST: [(&str, &str); 3] = [("db", "0"), ("dbid", "0"), ("prefix", "sukkal")];
/// The path that is meant where none is written, by scheme.
const FIRST_PATH: [(&str, &str); 2] = [("mongodb", "sukkal"), ("mongodb+srv", "sukkal")];
/// The parameter that says what the path may say as well, by scheme.
const IN_PATH: [(&str, &str); 2] = [("redis", "dbid"), ("rediss", "dbid")];
/// The scheme whose stores are a file each, which has one holder.
const FILE: &str = "sqlite";

/// Whether a URI says which store is meant: one that does not (`memory:`) means a new one whenever it is opened.
pub fn is_named(uri: &str) -> bool {
    let place = uri.split_once(':').map_or("", |(_, place)| place);
    !place.split(['?', '#']).next().unwrap_or_default().is_empty()
}

/// Whether two URIs mean one place of no server: a file, unless their plugin knows better.
pub fn one_file(one: &str, other: &str, data_dir: &Path) -> bool {
    let is_server = |uri: &str| uri.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
    is_named(one) && !is_server(one) && !is_server(other) && identity(one, data_dir) == identity(other, data_dir)
}

/// Whether a URI is known to mean a file that no two stores have in common.
pub fn is_own_file(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(FILE))
}

/// What two URIs of one store have alike: without credentials and time-outs, parts in one order,
/// default ports written, paths from the root of the file system on.
pub fn identity(uri: &str, data_dir: &Path) -> String {
    let data_dir = &std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let scheme = scheme.to_ascii_lowercase();
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let server = place.strip_prefix("//").map(|server| {
        let (authority, path) = server.split_once('/').unwrap_or((server, ""));
        (authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts), path)
    });
    match server {
        Some((hosts, path)) if !hosts.is_empty() => {
            let mut parameters = parameters(query);
            let path = path.trim_matches('/');
            let path = match IN_PATH.iter().find(|(known, _)| *known == scheme) {
                Some((_, name)) if !path.is_empty() => {
                    parameters.insert((*name).to_owned(), plain(path));
                    ""
                }
                _ if FIRST_PATH.contains(&(scheme.as_str(), path)) => "",
                _ => path,
            };
            let known = scheme == LOOKED_UP || PORTS.iter().any(|(known, _)| *known == scheme);
            let wanted = |name: &str| !known || PARTS.contains(&name);
            format!("{scheme}://{}/{path}{}", sorted_hosts(&scheme, hosts), told(parameters, wanted))
        }
        Some((_, path)) => file(&scheme, &format!("/{path}"), query, data_dir),
        None => file(&scheme, place, query, data_dir),
    }
}

fn file(scheme: &str, path: &str, query: &str, data_dir: &Path) -> String {
    let path = resolved(&data_dir.join(path));
    format!("{scheme}:{}{}", path.display(), told(parameters(query), |name| PARTS.contains(&name)))
}

fn sorted_hosts(scheme: &str, hosts: &str) -> String {
    let mut hosts: Vec<String> = hosts.split(',').map(|host| with_port(scheme, host)).collect();
    hosts.sort();
    hosts.dedup();
    hosts.join(",")
}

fn with_port(scheme: &str, host: &str) -> String {
    let host = host.to_ascii_lowercase();
    // An address of version 6 has colons of its own, in brackets.
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host.as_str(), None),
    };
    // An address can be written in many ways: 127.1 is 127.0.0.1.
    let name = match url::Host::parse(name.trim_end_matches('.')) {
        Ok(url::Host::Ipv4(address)) if address == Ipv4Addr::LOCALHOST => "localhost".to_owned(),
        Ok(url::Host::Ipv6(address)) if address.is_loopback() => "localhost".to_owned(),
        Ok(host) => host.to_string(),
        Err(_) => name.to_owned(),
    };
    let default = PORTS.iter().find(|(known, _)| *known == scheme).map(|(_, port)| port.to_string());
    match port.filter(|port| !port.is_empty()).map(plain).or(default) {
        Some(port) => format!("{name}:{port}"),
        None => name,
    }
}

/// Parameters as they are meant, the last where one is repeated.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.map(|(name, value)| (name.to_ascii_lowercase(), plain(&value))).collect()
}

/// A number without leading zeros; another text as it is.
fn plain(text: &str) -> String {
    text.parse::<u32>().map_or_else(|_| text.to_owned(), |number| number.to_string())
}

/// Parameters in one order, without those that say nothing of the store.
fn told(parameters: BTreeMap<String, String>, wanted: impl Fn(&str) -> bool) -> String {
    let says = |(name, value): &(String, String)| {
        wanted(name) && says_which(name) && !FIRST.contains(&(name.as_str(), value.as_str()))
    };
    let pairs: Vec<String> =
        parameters.into_iter().filter(says).map(|(name, value)| format!("{name}={value}")).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Whether a parameter says which store is meant, rather than who asks and for how long.
fn says_which(name: &str) -> bool {
    !crate::config::is_secret(name) && !name.contains("timeout") && !name.contains("user")
}

/// Without `.`, `..` and links, as far as the file is there.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    match (plain.parent().map(Path::canonicalize), plain.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> String {
        identity(uri, Path::new("/no-such-data"))
    }

    #[test]
    fn spellings_of_one_store_are_one() {
        for (one, other) in [
            ("redis://h", "redis://H:6379/"),
            ("redis://h", "redis://:secret@h?socket_timeout=0.1&dbid=0"),
            ("redis://h/0", "redis://me:other@h."),
            ("redis://127.0.0.1", "redis://localhost:6379"),
            ("redis://[::1]:6379", "redis://localhost"),
            ("redis://127.1:06379", "redis://localhost"),
            ("redis://h?dbid=5", "redis://h/5"),
            ("redis://h?dbid=05", "redis://h?dbid=%35&prefix=sukkal"),
            ("redis://h?dbid=4&dbid=5", "redis://h/05"),
            ("redis://a:26379,b:26379?master=m", "redis://b:26379,a:26379?sentinel_password=x&master=m"),
            ("mongodb://h/db?w=1&replicaSet=r", "mongodb://u:p@h:27017/db?replicaSet=r&w=1"),
            ("redis://h?replicas=1&connections=8", "redis://h"),
            ("mongodb://h/db?retryReads=false&tls=true", "mongodb://h/db"),
            ("mongodb+srv://h/db?w=1&retryWrites=true", "mongodb+srv://u:p@H/db?tls=true"),
            ("redis:///run/r.sock?dbid=1", "redis://:pw@/run/r.sock?dbid=1"),
            ("sqlite:pool.db", "sqlite:./a/../pool.db?readers=4"),
            ("sqlite:pool.db", "sqlite:/no-such-data/pool.db"),
            ("sqlite:pool.db", "sqlite:///no-such-data/pool.db#x"),
            ("memory:a", "memory:a?max_messages=5"),
        ] {
            assert_eq!(of(one), of(other), "{one} {other}");
        }
    }

    #[test]
    fn one_file_is_for_one_store_and_one_server_for_many() {
        for (one, other, is_one) in [
            ("sqlite:x.db", "sqlite:./x.db?readers=4", true),
            ("sqlite:x.db", "sqlite:///no-such-data/x.db", true),
            ("sqlite:x.db", "sqlite:y.db", false),
            ("sqlite:x.db", "other:x.db", false),
            ("memory:?max_bytes=5000000", "memory:", false),
            ("mongodb://h/d", "mongodb://h/d", false),
        ] {
            assert_eq!(one_file(one, other, Path::new("/no-such-data")), is_one, "{one} {other}");
        }
    }

    #[test]
    fn other_stores_are_others() {
        for (one, other) in [
            ("redis://h", "redis://h:6380"),
            ("redis://h", "redis://h?dbid=1"),
            ("redis://h", "redis://h/1"),
            ("redis://h?dbid=1", "redis://h?dbid=1&prefix=a"),
            ("redis://h", "redis://i"),
            ("redis://127.0.0.1", "redis://127.0.0.2"),
            ("redis://h:26379?master=a", "redis://h:26379?master=b"),
            ("other://h?shard=a", "other://h?shard=b"),
            ("redis:///run/r.sock", "redis:///run/r.sock?dbid=1"),
            ("mongodb://h/a", "mongodb://h/b"),
            ("mongodb+srv://h/a", "mongodb+srv://h/b"),
            ("mongodb://h/a", "postgres://h/a"),
            ("sqlite:pool.db", "sqlite:other.db"),
            ("memory:a", "memory:b"),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
        assert!(!of("redis://:secret@h?password=secret").contains("secret"));
    }
}
