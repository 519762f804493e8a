//! Slots of a cluster: who has them, and those whose move broke off. A replica that took over does not know that its
//! slot was half-way.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use redis::Value;
use redis::cluster_routing::Slot;

/// How many slots are named.
const NAMED: usize = 10;

/// Where each slot is: a host, which is empty where a node does not know under which name it is reached, and a port.
pub struct Owners(Vec<(RangeInclusive<u16>, (String, u16))>);

impl Owners {
    /// By what a node says to `CLUSTER SLOTS`.
    pub fn read(said: &Value) -> Owners {
        let port = |port: &i64| u16::try_from(*port).ok();
        let address = |node: &Value| match list(node) {
            [Value::BulkString(host), Value::Int(at), ..] => Some((String::from_utf8_lossy(host).into(), port(at)?)),
            [_, Value::Int(at), ..] => Some((String::new(), port(at)?)),
            _ => None,
        };
        let range = |range: &Value| match list(range) {
            [Value::Int(first), Value::Int(last), master, ..] => {
                Some((u16::try_from(*first).ok()?..=u16::try_from(*last).ok()?, address(master)?))
            }
            _ => None,
        };
        Owners(list(said).iter().filter_map(range).collect())
    }

    /// The node that has a key's slot.
    pub fn of(&self, key: &[u8]) -> Option<&(String, u16)> {
        let slot = Slot::for_key(key);
        // The driver does not tell the number of one.
        let has = |range: &RangeInclusive<u16>| range.clone().any(|number| Slot::new(number) == Some(slot));
        self.0.iter().find(|(range, _)| has(range)).map(|(_, address)| address)
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        _ => &[],
    }
}

/// The slots that one master takes in and no other gives away, by what each says to `CLUSTER NODES`.
pub fn half_moved(said: impl Iterator<Item = String>) -> Vec<u16> {
    let (mut coming, mut going) = (BTreeSet::new(), BTreeSet::new());
    for text in said {
        let own = text.lines().find(|line| line.contains("myself")).unwrap_or_default();
        // `[5-<-NODE]` comes from there, `[5->-NODE]` goes there.
        for open in own.split_whitespace().filter_map(|word| word.strip_prefix('[')) {
            let Some((slot, way)) = open.split_once('-') else { continue };
            let Ok(slot) = slot.parse::<u16>() else { continue };
            if way.starts_with('<') {
                coming.insert(slot)
            } else {
                going.insert(slot)
            };
        }
    }
    coming.difference(&going).copied().collect()
}

/// What the operator should know of such slots.
pub fn warning(slots: &[u16]) -> Option<String> {
    if slots.is_empty() {
        return None;
    }
    let mut named = slots.iter().take(NAMED).map(u16::to_string).collect::<Vec<_>>().join(", ");
    if slots.len() > NAMED {
        named += " and more";
    }
    Some(format!(
        "a move of cluster slots broke off half-way ({named}): their queues lack what had been moved already; mend it \
         with `redis-cli --cluster fix`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_owner_of_its_slot() {
        let text = |text: &str| Value::BulkString(text.into());
        let range = |first, last, host: Value, port| {
            let node = Value::Array(vec![host, Value::Int(port), text("id")]);
            Value::Array(vec![Value::Int(first), Value::Int(last), node])
        };
        // The slot of `foo` is 12182.
        let said = Value::Array(vec![range(0, 12181, text("a"), 1), range(12182, 16383, Value::Nil, 2)]);
        let owners = Owners::read(&said);
        assert_eq!(owners.of(b"x{foo}y"), Some(&(String::new(), 2)));
        assert_eq!(owners.of(b"bar"), Some(&("a".to_owned(), 1)));
        assert_eq!(Owners::read(&Value::Nil).of(b"foo"), None);
    }

    #[test]
    fn a_slot_is_half_moved_that_nobody_gives_away() {
        let one = "a 127.0.0.1:1@2 master - 0 0 1 connected 9-99\n\
                   b 127.0.0.1:3@4 myself,master - 0 0 2 connected 0-4 [7-<-a] [8-<-a]\n";
        let other = "a 127.0.0.1:1@2 myself,master - 0 0 1 connected 5-99 [8->-b]\n";
        assert_eq!(half_moved([one, other].map(str::to_owned).into_iter()), [7]);
        assert_eq!(half_moved([other.to_owned()].into_iter()), [0; 0]);
        assert!(warning(&[7]).is_some_and(|text| text.contains("(7)")) && warning(&[]).is_none());
        assert!(warning(&(0..20).collect::<Vec<_>>()).is_some_and(|text| text.contains("8, 9 and more")));
    }
}
