//! Posts that are safe to repeat.

use sukkal_plugin_sdk::{Bytes, ErrorKind, Key, Pool as _, Post, Posted, Result};

use super::{QUEUE, Rig, call, message, queue, secs};

fn key(fingerprint: &'static [u8]) -> Key {
    let (key, fingerprint) = (Bytes::from_static(b"k"), Bytes::from_static(fingerprint));
    Key { scope: "client".to_owned(), key, fingerprint, window: secs(60) }
}

fn post(rig: &Rig, key: Key) -> Result<Posted> {
    let messages = vec![message("a"), message("b")];
    rig.post_all(Post { client: "client".to_owned(), messages, key: Some(key), ..Post::default() })
}

#[test]
fn a_key_stores_once_within_its_window() {
    let rig = Rig::new();
    let first = post(&rig, key(b"f")).unwrap();
    let again = post(&rig, key(b"f")).unwrap();
    assert_eq!((first.repeated, again.repeated), (false, true));
    assert_eq!(first.places, again.places);
    assert_eq!(rig.listed(), ["a", "b"]);
    assert_eq!(post(&rig, key(b"other")).unwrap_err().kind, ErrorKind::Conflict);
    let posted = |key| rig.run(rig.pool().posted(&call(), &queue(QUEUE, 1), key));
    assert_eq!(posted(key(b"f")).unwrap().unwrap().places, first.places);
    assert_eq!(posted(key(b"other")).unwrap_err().kind, ErrorKind::Conflict);
    rig.clock.advance(secs(61));
    assert_eq!(posted(key(b"f")).unwrap(), None);
    assert!(!post(&rig, key(b"other")).unwrap().repeated);
    assert_eq!(rig.listed().len(), 4);
}

#[test]
fn keys_belong_to_their_scope() {
    let rig = Rig::new();
    post(&rig, key(b"f")).unwrap();
    let other = Key { scope: "other".to_owned(), ..key(b"f") };
    assert!(!post(&rig, other).unwrap().repeated);
}
