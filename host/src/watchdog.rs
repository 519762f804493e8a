//! A thread that nothing else runs on, for what must go on while a plugin holds the others.
//!
//! Who blocks in a filter's hook holds a thread of the host. The others can do the rest, but tokio has one of them wait
//! for the network, and does not always hand that on before it runs what may block: then nothing arrives any more,
//! though a thread is free. So a free one is woken several times a second. It also names the filter, and ends the host
//! where the threads that should do so are held.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use sukkal_core::{Held, HeldThreads};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::output::note;
use crate::shutdown::StopSignals;

/// How often a free thread is woken.
const BEAT: Duration = Duration::from_millis(200);
/// How long a hook may hold its thread before its filter is named.
const HELD: Duration = Duration::from_secs(1);
/// How long the host may take to end at once.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How long plugins and the rest may take to end, once clients had their time.
const LAST: Duration = Duration::from_secs(30);
/// How long the last word may take, where the log takes none.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The thread; it ends with this.
#[derive(Debug)]
pub struct Watchdog(watch::Sender<Option<Instant>>);

impl Watchdog {
    /// Starts it for the runtime in which this is called.
    ///
    /// # Errors
    /// The system refuses.
    pub fn start() -> io::Result<Self> {
        let (end, ending) = watch::channel(None);
        let (host, own) = (Handle::current(), Builder::new_current_thread().enable_all().build()?);
        let signals = {
            let _within = own.enter();
            StopSignals::new()?
        };
        std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || own.block_on(run(host, ending, signals)))?;
        Ok(Watchdog(end))
    }

    /// The host ends; clients have so long.
    pub fn ending(&self, grace: Duration) {
        self.0.send_replace(Some(Instant::now() + grace + LAST));
    }
}

async fn run(host: Handle, mut ending: watch::Receiver<Option<Instant>>, mut signals: StopSignals) {
    let (mut threads, mut n_signals, mut at_once) = (HeldThreads::default(), 0, None);
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = [*ending.borrow_and_update(), at_once].into_iter().flatten().min();
        tokio::select! {
            _ = beat.tick() => {
                host.spawn(async {});
                threads.held(HELD).into_iter().for_each(|held| drop(aside(move || tell(&held))));
            }
            _ = signals.next() => {
                n_signals += 1;
                if n_signals == 2 {
                    at_once = Some(Instant::now() + AT_ONCE);
                }
            }
            changed = ending.changed() => if changed.is_err() { return },
            () = async { sleep_until(last.unwrap_or_else(Instant::now)).await }, if last.is_some() => {
                let last = "sukkal: the host does not end by itself, since something holds its threads; it is ended";
                let _ = aside(move || note(last)).recv_timeout(LAST_WORD);
                std::process::exit(1);
            }
        }
    }
}

/// Writes to the log on a thread of its own, and says when it is written: what holds the others may be that nobody reads
/// the log.
fn aside(write: impl FnOnce() + Send + 'static) -> mpsc::Receiver<()> {
    let (written, hears) = mpsc::channel();
    let write = move || {
        write();
        let _ = written.send(());
    };
    // Where there is no thread, it is not written.
    let _ = std::thread::Builder::new().name("watchdog-log".to_owned()).spawn(write);
    hears
}

fn tell(Held { filter, hook }: &Held) {
    tracing::warn!(
        filter = filter.as_ref(),
        hook,
        "a filter holds a thread of the host and does not come back: something in it blocks; set `isolate` for it"
    );
}
