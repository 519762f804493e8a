//! The cases for pools, a file a promise.

mod claim;
mod claim_end;
pub mod crash;
mod dead_letter;
mod delay;
mod deletion;
mod depth;
mod epoch;
mod expiry;
mod export;
mod key;
mod lane;
mod order;
mod paging;
mod restart;
mod step;
mod watch;

use super::{Case, PoolBench};

/// Every case.
pub fn cases() -> Vec<Case<PoolBench>> {
    [
        order::cases(),
        paging::cases(),
        claim::cases(),
        claim_end::cases(),
        deletion::cases(),
        expiry::cases(),
        delay::cases(),
        dead_letter::cases(),
        key::cases(),
        epoch::cases(),
        lane::cases(),
        watch::cases(),
        step::cases(),
        export::cases(),
        depth::cases(),
        restart::cases(),
    ]
    .concat()
}
