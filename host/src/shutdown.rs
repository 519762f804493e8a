//! How the host is told to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells all who hold a [`Stop`] that the host stops.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Stage>);

/// Says when the host stops. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Stage>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Stage {
    Serving,
    /// What is under way is brought to its end.
    Stopping,
    /// It has had its time.
    Cut,
}

/// A stop that has not come yet, and who can bring it about.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(Stage::Serving);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Tells everyone to bring to its end what is under way.
    pub fn stop(&self) {
        self.0.send_replace(Stage::Stopping);
    }

    /// Tells everyone to end as it is.
    pub fn cut(&self) {
        self.0.send_replace(Stage::Cut);
    }
}

impl Stop {
    /// Waits for it. A stopper that is gone has stopped.
    pub async fn wait(&mut self) {
        let _ = self.0.wait_for(|stage| *stage >= Stage::Stopping).await;
    }

    /// Waits until nothing under way is waited for any more.
    pub async fn cut(&mut self) {
        let _ = self.0.wait_for(|stage| *stage >= Stage::Cut).await;
    }
}

/// The signals that the host heeds: `SIGTERM` and `SIGINT`, and `SIGHUP`.
#[derive(Debug)]
pub struct Signals {
    stop: StopSignals,
    hang_up: Signal,
}

/// `SIGTERM` and `SIGINT`, for whoever wants to hear of them beside the host.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Hears of them from now on; within a runtime.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> std::io::Result<Self> {
        Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one, and gives its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// What a signal tells the host to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To end; with the signal's name.
    Stop(&'static str),
    /// To read its settings anew.
    Reload,
}

impl Signals {
    /// Takes them over from the system's defaults.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> std::io::Result<Self> {
        Ok(Signals { stop: StopSignals::new()?, hang_up: signal(SignalKind::hangup())? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Order {
        tokio::select! {
            biased;
            name = self.stop.next() => Order::Stop(name),
            _ = self.hang_up.recv() => Order::Reload,
        }
    }

    /// Waits for the next one that ends the host; the others wait for their turn.
    pub async fn stop(&mut self) -> &'static str {
        self.stop.next().await
    }
}
