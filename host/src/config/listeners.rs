//! Listeners, each of which needs an address of its own.

use std::net::SocketAddr;

use super::raw::Table;
use super::section::Section;
use super::{Config, Mistake, Origin};

/// Checks that no two of them have the same address.
pub fn check(root: &Table, config: &Config, mistakes: &mut Vec<Mistake>) {
    let all =
        [("rest", Some(config.rest.listen)), ("websocket", config.websocket.listen), ("admin", config.admin.listen)];
    let all = all.map(|(name, address)| address.map(|address| (name, address)));
    let all: Vec<(&str, SocketAddr)> = all.into_iter().flatten().collect();
    for (index, (name, address)) in all.iter().enumerate() {
        let Some((other, _)) = all[..index].iter().find(|(_, earlier)| meet(*earlier, *address)) else { continue };
        // Named is the one that was set; the other may be a default.
        let is_set = Section::of(name, root, mistakes).origin("listen") != Origin::Default;
        let (named, other) = if is_set { (name, other) } else { (other, name) };
        let mut section = Section::of(named, root, mistakes);
        let origin = section.origin("listen");
        section.wrong(
            &origin,
            "listen",
            format!("takes the port of `{other}.listen`: {address}"),
            "give each a port of its own",
        );
    }
}

/// Whether only one of two addresses can be listened on. Port 0 stands for any that is free.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (is_any || one.ip() == other.ip())
}
