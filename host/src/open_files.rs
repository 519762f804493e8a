//! How many files the host may have open: each connection is one, and stores and plugins need some as well.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Semaphore;

/// What is kept for stores, plugins and the admin pages.
const OTHERS: u64 = 256;

/// Lets the host open as many files as the system allows it, where less was asked for by default.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// How many connections there may be.
pub struct Room<const N: usize> {
    /// On each listener.
    pub of_each: [u32; N],
    /// On all of them together.
    pub of_all: Arc<Semaphore>,
}

/// Room for the connections that the settings ask for. Where all of them together would need more files than there can
/// be, they share what there is, and none of several listeners gets more than three quarters of it, so that a crowd on
/// one does not shut out the others.
pub fn room<const N: usize>(wanted: [u32; N]) -> Room<N> {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = within(files.saturating_sub(OTHERS), wanted);
    if room.of_all.available_permits() < sum(wanted) {
        let names = "rest.max_connections and websocket.max_connections ask for";
        tracing::info!(open_files = files, "the system allows fewer open files than {names}; raise `ulimit -n`");
    }
    room
}

fn within<const N: usize>(files: u64, wanted: [u32; N]) -> Room<N> {
    let files = usize::try_from(files).unwrap_or(usize::MAX).max(1);
    let of_all = files.min(sum(wanted)).min(Semaphore::MAX_PERMITS);
    let n_listeners = wanted.iter().filter(|one| **one > 0).count();
    let of_one = if of_all < sum(wanted) && n_listeners > 1 { of_all - of_all / 4 } else { of_all };
    let of_each = wanted.map(|one| one.min(u32::try_from(of_one).unwrap_or(u32::MAX)));
    Room { of_each, of_all: Arc::new(Semaphore::new(of_all)) }
}

fn sum<const N: usize>(wanted: [u32; N]) -> usize {
    wanted.iter().map(|one| *one as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_have_room() {
        let of = |files, wanted| {
            let room = within(files, wanted);
            (room.of_each, room.of_all.available_permits())
        };
        assert_eq!(of(20_000, [10_000, 10_000]), ([10_000, 10_000], 20_000));
        assert_eq!(of(19_744, [10_000, 10_000]), ([10_000, 10_000], 19_744));
        assert_eq!(of(768, [10_000, 10_000]), ([576, 576], 768));
        assert_eq!(of(768, [10_000, 0]), ([768, 0], 768));
        assert_eq!(of(768, [100, 10_000]), ([100, 576], 768));
        assert_eq!(of(0, [10_000, 10_000]), ([1, 1], 1));
    }
}
