//! For a plugin's own tests: a host with a clock that the test advances, and what is opened on it,
//! called as the host calls it: through the boundary, panics caught, filters only where they want it.
//!
//! ```
//! use sukkal_plugin_sdk::testing::{Bench, new_message, request};
//! # use sukkal_plugin_sdk::{Action, Call, Filter, Interest, Moment, NewMessage, Open, Request, Result, Verdict};
//! # pub struct Short;
//! # impl Short {
//! #     async fn open(_: Open<u64>) -> Result<Short> { Ok(Short) }
//! # }
//! # impl Filter for Short {
//! #     type State = ();
//! #     fn interest(&self) -> Interest { Interest::none().all(Moment::Ingress) }
//! #     async fn ingress(&self, _: &Call, _: &mut (), _: &Request, messages: &mut Vec<NewMessage>) -> Result<Verdict> {
//! #         messages.iter_mut().for_each(|message| message.ttl = std::time::Duration::from_secs(10));
//! #         Ok(Verdict::Continue)
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let filter = Bench::new().filter(Short::open, 10).await?;
//! let (_, stored) = filter.passage(request(Action::MessagePost)).ingress(vec![new_message("1")]).await?;
//! assert_eq!(stored[0].ttl.as_secs(), 10);
//! # Ok(())
//! # }
//! ```

mod bench;
mod clock;
mod filter;
mod message;
mod records;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::bench::Bench;
pub use self::clock::TestClock;
pub use self::filter::{Passage, TestFilter};
pub use self::message::{delivery, new_message, request, stored};
pub use crate::abi::catalog::LoadedCatalog;
use crate::abi::host::{HostHandle, LibraryHost};
pub use crate::abi::notifier::LoadedNotifier;
pub use crate::abi::pool::LoadedPool;
use crate::{Call, Host, RequestId};

/// A host whose plugins keep their files in a directory. The clock outlives them all.
pub fn host(data_dir: &Path) -> (Host, TestClock) {
    let clock = TestClock::default();
    (host_with(data_dir, &clock), clock)
}

/// A further host on the same clock, for instance after a restart.
pub fn host_with(data_dir: &Path, clock: &TestClock) -> Host {
    host_of(data_dir, clock, None)
}

fn host_of(data_dir: &Path, clock: &TestClock, records: Option<LoadedCatalog>) -> Host {
    Host(Arc::new(HostHandle {
        library: LibraryHost::new("test", clock.0),
        data_dir: data_dir.to_owned(),
        host_id: "test".to_owned(),
        records,
        isolate: false,
    }))
}

/// A call of no particular request, in project `p`, that ends a minute from now.
pub fn call(clock: &TestClock) -> Call {
    Call::new(RequestId(1), "p", clock.now().after(Duration::from_secs(60)))
}
