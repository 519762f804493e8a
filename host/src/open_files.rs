//! How many files the host may have open: each connection is one, and stores and plugins need some as well.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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

/// How many connections each listener may have, of those that the settings ask for: all of them together need no
/// more files than there can be.
pub fn share<const N: usize>(wanted: [u32; N]) -> [u32; N] {
    let Some(files) = getrlimit(Resource::Nofile).current else { return wanted };
    let shares = within(files.saturating_sub(OTHERS), wanted);
    if shares != wanted {
        let names = "rest.max_connections and websocket.max_connections ask for";
        tracing::info!(open_files = files, "the system allows fewer open files than {names}; raise `ulimit -n`");
    }
    shares
}

fn within<const N: usize>(room: u64, wanted: [u32; N]) -> [u32; N] {
    let all: u64 = wanted.iter().copied().map(u64::from).sum();
    if all <= room {
        return wanted;
    }
    wanted.map(|one| match u64::from(one) {
        0 => 0,
        one => u32::try_from(one * room / all).unwrap_or(u32::MAX).max(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_have_room() {
        assert_eq!(within(20_000, [10_000, 10_000]), [10_000, 10_000]);
        assert_eq!(within(768, [10_000, 10_000]), [384, 384]);
        assert_eq!(within(768, [10_000, 0]), [768, 0]);
        assert_eq!(within(0, [10_000, 10_000]), [1, 1]);
    }
}
