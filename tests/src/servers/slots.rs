//! Slots that go from one master of a Redis Cluster to another, step by step.

use std::fmt;

use super::redis::{AGREED, Cluster, Redis, until};

/// How many keys one step of a move takes along.
const STEP: usize = 100;

/// A slot between two masters: some of its keys may be with the new one already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotMove {
    slot: u16,
    from: usize,
    to: usize,
}

impl fmt::Display for SlotMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the move of slot {} from the pool's server {} to {}", self.slot, self.from, self.to)
    }
}

impl Cluster {
    /// The master that has a slot.
    pub fn owner(&self, slot: u16) -> usize {
        let has = |node: &Redis| slots_of(node).iter().any(|(from, to)| (from..=to).contains(&&slot));
        self.nodes.iter().position(has).expect("it is somebody's")
    }

    /// A master beside that one: where its slots are moved to.
    pub fn another(&self, than: usize) -> usize {
        let mut others = self.masters().into_iter().filter(|node| *node != than);
        others.next().expect("there are three")
    }

    /// Those that have slots.
    fn masters(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| !slots_of(&self.nodes[*node]).is_empty()).collect()
    }

    /// Whether nobody is away or about to be replaced: slots can be moved then.
    pub fn is_calm(&self) -> bool {
        let calm = |node: &Redis| {
            node.ask(&["CLUSTER", "INFO"]).is_ok_and(|said| said.contains("cluster_state:ok"))
                && node
                    .ask(&["CLUSTER", "NODES"])
                    .is_ok_and(|said| !said.contains("fail") && !said.contains("handshake"))
        };
        self.masters().len() == 3 && self.nodes.iter().all(calm)
    }

    /// The slot of a key.
    pub fn slot(&self, key: &str) -> u16 {
        let said = told(&self.nodes[0], &["CLUSTER", "KEYSLOT", key]);
        said.strip_prefix(':').and_then(|number| number.parse().ok()).expect("a slot is a number")
    }

    /// The keys of a slot that a node has.
    pub fn keys_in(&self, slot: u16, node: usize) -> Vec<String> {
        let said = told(&self.nodes[node], &["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "100000"]);
        said.lines().map(str::to_owned).collect()
    }

    /// Any key that a master has.
    pub fn random_key(&self, node: usize) -> Option<String> {
        // Refusals begin with `-`; none is `$-1`.
        self.nodes[node].ask(&["RANDOMKEY"]).ok().filter(|key| !key.starts_with(['$', '-']))
    }

    /// From here on the slot is on its way to another master.
    pub fn begin_move(&self, slot: u16) -> SlotMove {
        let from = self.owner(slot);
        let to = self.another(from);
        self.set_slot(to, slot, "IMPORTING", from);
        self.set_slot(from, slot, "MIGRATING", to);
        SlotMove { slot, from, to }
    }

    /// Takes keys along.
    pub fn move_keys(&self, moving: &SlotMove, keys: &[String]) {
        let port = self.nodes[moving.to].port().to_string();
        for keys in keys.chunks(STEP) {
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            command.extend(keys.iter().map(String::as_str));
            until("keys are moved", AGREED, || {
                let said = told(&self.nodes[moving.from], &command);
                // They may have expired. A node that was away hears of the others a moment after they of it.
                let away = said.starts_with("-CLUSTERDOWN");
                assert!(away || ["OK", "NOKEY"].contains(&said.as_str()), "{said}");
                (!away).then_some(())
            });
        }
    }

    /// Takes along what is left, and tells everybody whose the slot is now.
    pub fn finish_move(&self, moving: &SlotMove) {
        loop {
            let keys = self.keys_in(moving.slot, moving.from);
            if keys.is_empty() {
                break;
            }
            self.move_keys(moving, &keys);
        }
        // A replica learns it from its master.
        let others = self.masters().into_iter().filter(|node| ![moving.to, moving.from].contains(node));
        for node in [moving.to, moving.from].into_iter().chain(others) {
            self.set_slot(node, moving.slot, "NODE", moving.to);
        }
    }

    fn set_slot(&self, at: usize, slot: u16, state: &str, node: usize) {
        let id = told(&self.nodes[node], &["CLUSTER", "MYID"]);
        let said = told(&self.nodes[at], &["CLUSTER", "SETSLOT", &slot.to_string(), state, &id]);
        assert_eq!(said, "OK", "SETSLOT {slot} {state}");
    }
}

fn told(node: &Redis, command: &[&str]) -> String {
    node.ask(command).expect("the node answers")
}

/// The ranges of slots that a node says it has; a replica has none.
fn slots_of(node: &Redis) -> Vec<(u16, u16)> {
    let said = node.ask(&["CLUSTER", "NODES"]).unwrap_or_default();
    let own = said.lines().find(|line| line.contains("myself,master")).unwrap_or_default();
    own.split_whitespace().skip(8).filter_map(range).collect()
}

/// `5` or `5-9`. One that is on its way stands between brackets.
fn range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some((from.parse().ok()?, to.parse().ok()?))
}
