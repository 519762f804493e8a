//! Slots of a cluster: who has them, and those whose move broke off. A replica that took over does not know that its
//! slot was half-way.

use std::collections::BTreeSet;

use redis::Value;

/// How many slots are named.
const NAMED: usize = 10;

/// Where the nodes are that have slots.
pub type Masters = BTreeSet<(String, i64)>;

/// The nodes that have slots, by what one of them says to `CLUSTER SLOTS`.
pub fn masters(said: &Value) -> Masters {
    let address = |range: &Value| match list(list(range).get(2)?) {
        // One that does not know under which name it is reached tells none.
        [Value::BulkString(host), Value::Int(port), ..] => Some((String::from_utf8_lossy(host).into_owned(), *port)),
        [_, Value::Int(port), ..] => Some((String::new(), *port)),
        _ => None,
    };
    list(said).iter().filter_map(address).collect()
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
