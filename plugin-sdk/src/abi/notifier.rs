//! Notifiers over the boundary.

use super::contract::{contract, finish};
use super::guard::{self, FutureForm};
use super::object::{Object, This};
use super::types::Ffi;
use crate::*;

contract! {
    /// An open notifier, of whatever library. Clones are the same notifier.
    LoadedNotifier: Notifier, NotifierVtable, NotifierVtableRef, OpenNotifier;
    sync {
        address(subscriber: String) -> String;
    }
    first {
        check(; subscriber: Subscriber) -> Subscriber;
        deliver(; delivery: Delivery) -> Outcome;
    }
    later {}
}
