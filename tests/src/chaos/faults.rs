//! What is done to hosts and stores, and undone after a while.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::deletion;
use super::events::Events;
use super::hosts::Hosts;
use super::stores::Stores;
use crate::checker::ledger::Ledger;
use crate::servers::slots::SlotMove;

/// The pause before the next fault lasts from the first to the second, in milliseconds.
const GAP_MS: (u64, u64) = (300, 2_500);

/// For how long a primary that steps down is not elected again.
const DOWN: Duration = Duration::from_secs(3);

/// The pause before a host is started anew that ended at its start, since it could not open its stores.
const RESTART: Duration = Duration::from_millis(300);

/// A kind of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    KillHost,
    FreezeHost,
    CutConnections,
    DeleteQueue,
    KillStore,
    FreezeStore,
    FailOver,
    StepDown,
    MoveSlot,
    KillCatalog,
    FreezeCatalog,
}

/// What ends a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mend {
    StartHost(usize),
    ThawHost(usize),
    StartStore(usize),
    ThawStore(usize),
    FinishMove(SlotMove),
    /// By itself: nothing is done.
    Elect,
    StartCatalog,
    ThawCatalog,
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mend::StartHost(host) => write!(f, "host {host} is started again"),
            Mend::ThawHost(host) => write!(f, "host {host} goes on"),
            Mend::StartStore(server) => write!(f, "the pool's server {server} is started again"),
            Mend::ThawStore(server) => write!(f, "the pool's server {server} goes on"),
            Mend::FinishMove(moving) => write!(f, "{moving} is done"),
            Mend::Elect => f.write_str("the pool's primary may be elected again"),
            Mend::StartCatalog => f.write_str("the catalog is started again"),
            Mend::ThawCatalog => f.write_str("the catalog goes on"),
        }
    }
}

impl Mend {
    fn is_of_host(self) -> bool {
        matches!(self, Mend::StartHost(_) | Mend::ThawHost(_))
    }

    fn is_of_pool(self) -> bool {
        matches!(self, Mend::StartStore(_) | Mend::ThawStore(_) | Mend::FinishMove(_) | Mend::Elect)
    }

    fn is_of_catalog(self) -> bool {
        matches!(self, Mend::StartCatalog | Mend::ThawCatalog)
    }
}

/// Who does it.
pub struct Nemesis<'a> {
    hosts: &'a mut Hosts,
    stores: &'a mut Stores,
    reborn: Arc<Mutex<Ledger>>,
    deletion: Option<JoinHandle<()>>,
    mends: Vec<(Instant, Mend)>,
    events: Events,
    chance: StdRng,
}

impl<'a> Nemesis<'a> {
    /// Nothing is done yet. The ledger is of the queue that is deleted.
    pub fn new(hosts: &'a mut Hosts, stores: &'a mut Stores, reborn: Arc<Mutex<Ledger>>, seed: u64) -> Self {
        let chance = StdRng::seed_from_u64(seed);
        Nemesis { hosts, stores, reborn, deletion: None, mends: Vec::new(), events: Events::default(), chance }
    }

    /// What was done.
    pub fn events(self) -> Events {
        self.events
    }

    /// Does harm for so long: each kind once, then whatever comes. In the end everything is mended.
    pub async fn inflict(&mut self, load: Duration) {
        let kinds = self.kinds();
        let mut order = kinds.clone();
        order.shuffle(&mut self.chance);
        let until = Instant::now() + load;
        let mut next = self.in_ms(GAP_MS);
        while Instant::now() < until {
            let due = self.mends.iter().map(|(due, _)| *due).chain([next, until]).min();
            sleep_until(due.unwrap_or(until).into()).await;
            self.mend(Instant::now()).await;
            if Instant::now() >= next {
                let fault = order.pop().or_else(|| kinds.choose(&mut self.chance).copied());
                if let Some(fault) = fault {
                    self.harm(fault);
                }
                next = self.in_ms(GAP_MS);
            }
        }
        while let Some(last) = self.mends.iter().map(|(due, _)| *due).max() {
            self.mend(last).await;
        }
        if let Some(deletion) = self.deletion.take() {
            deletion.await.expect("the deletion does not panic");
        }
        self.events.tell("all is mended");
    }

    fn kinds(&self) -> Vec<Fault> {
        use Fault::*;
        let end_of_store = if self.stores.pool.fails_over() { FailOver } else { KillStore };
        // Where nobody can, it comes to nothing.
        vec![
            KillHost,
            FreezeHost,
            CutConnections,
            DeleteQueue,
            KillCatalog,
            FreezeCatalog,
            FreezeStore,
            StepDown,
            MoveSlot,
            end_of_store,
        ]
    }

    fn in_ms(&mut self, (from, to): (u64, u64)) -> Instant {
        Instant::now() + Duration::from_millis(self.chance.random_range(from..to))
    }

    /// Ends a fault after a while.
    fn mend_in(&mut self, ms: (u64, u64), mend: Mend) {
        let due = self.in_ms(ms);
        self.mends.push((due, mend));
    }

    /// Inflicts a fault, unless one of its kind is there that leaves no room for it.
    fn harm(&mut self, fault: Fault) {
        match fault {
            Fault::KillHost | Fault::FreezeHost => self.harm_host(fault),
            Fault::CutConnections => {
                for store in self.stores.cut() {
                    self.events.tell(&format!("all connections to the {store} are cut"));
                }
            }
            Fault::DeleteQueue => self.delete_queue(),
            Fault::KillStore | Fault::FreezeStore | Fault::FailOver | Fault::StepDown | Fault::MoveSlot => {
                self.harm_pool(fault);
            }
            Fault::KillCatalog | Fault::FreezeCatalog => self.harm_catalog(fault),
        }
    }

    fn harm_host(&mut self, fault: Fault) {
        let Some(host) = self.hosts.dispensable().choose(&mut self.chance).copied() else { return };
        if fault == Fault::KillHost {
            self.hosts.kill(host);
            self.events.tell(&format!("host {host} is killed"));
            self.mend_in((50, 4_000), Mend::StartHost(host));
        } else {
            self.hosts.freeze(host);
            self.events.tell(&format!("host {host} stands still"));
            self.mend_in((1_000, 15_000), Mend::ThawHost(host));
        }
    }

    fn delete_queue(&mut self) {
        if self.deletion.as_ref().is_some_and(|deletion| !deletion.is_finished()) {
            return;
        }
        self.events.tell("a queue is to be deleted");
        let chance = StdRng::seed_from_u64(self.chance.random());
        self.deletion = Some(tokio::spawn(deletion::delete(self.hosts.reach().clone(), self.reborn.clone(), chance)));
    }

    fn harm_pool(&mut self, fault: Fault) {
        if self.mends.iter().any(|(_, mend)| mend.is_of_pool()) {
            return;
        }
        match fault {
            Fault::FailOver => {
                let Some(master) = self.stores.pool.master() else { return };
                self.stores.pool.kill(master);
                self.events.tell(&format!("the pool's server {master}, a master, is killed"));
                self.mend_in((4_000, 8_000), Mend::StartStore(master));
            }
            Fault::StepDown => {
                if self.stores.pool.step_down(DOWN) {
                    self.events.tell(&format!("the pool's primary steps down for {} s", DOWN.as_secs()));
                    self.mends.push((Instant::now() + DOWN, Mend::Elect));
                }
            }
            Fault::MoveSlot => {
                let server = self.any_server();
                if let Some(moving) = self.stores.pool.begin_move(server) {
                    self.events.tell(&format!("{moving} is begun"));
                    self.mend_in((50, 3_000), Mend::FinishMove(moving));
                }
            }
            Fault::KillStore => {
                let server = self.any_server();
                self.stores.pool.kill(server);
                self.events.tell(&format!("the pool's server {server} is killed"));
                self.mend_in((50, 2_000), Mend::StartStore(server));
            }
            _ => {
                let server = self.any_server();
                self.stores.pool.freeze(server);
                self.events.tell(&format!("the pool's server {server} stands still"));
                self.mend_in((200, 5_000), Mend::ThawStore(server));
            }
        }
    }

    fn any_server(&mut self) -> usize {
        self.chance.random_range(0..self.stores.pool.n_servers())
    }

    fn harm_catalog(&mut self, fault: Fault) {
        if self.mends.iter().any(|(_, mend)| mend.is_of_catalog()) {
            return;
        }
        if fault == Fault::KillCatalog {
            self.stores.catalog.server().kill();
            self.events.tell("the catalog is killed");
            self.mend_in((500, 3_000), Mend::StartCatalog);
        } else {
            self.stores.catalog.server().freeze();
            self.events.tell("the catalog stands still");
            self.mend_in((200, 5_000), Mend::ThawCatalog);
        }
    }

    /// Undoes what is due to be.
    async fn mend(&mut self, now: Instant) {
        // A host does not start without its stores, so they come first.
        self.mends.sort_by_key(|(due, mend)| (mend.is_of_host(), *due));
        let mut due = Vec::new();
        self.mends.retain(|(at, mend)| {
            let is_due = *at <= now;
            if is_due {
                due.push(*mend);
            }
            !is_due
        });
        for mend in due {
            self.undo(mend).await;
        }
    }

    async fn undo(&mut self, mend: Mend) {
        match mend {
            Mend::StartHost(host) => {
                if !self.hosts.start_again(host).await {
                    // As whoever supervises it does.
                    tokio::time::sleep(RESTART).await;
                    self.mends.push((Instant::now(), mend));
                    return;
                }
            }
            Mend::ThawHost(host) => self.hosts.thaw(host),
            Mend::StartStore(server) => self.stores.pool.start_again(server).await,
            Mend::ThawStore(server) => self.stores.pool.thaw(server),
            Mend::FinishMove(moving) => self.stores.pool.finish_move(&moving),
            Mend::Elect => {}
            Mend::StartCatalog => self.stores.catalog.start_again().await,
            Mend::ThawCatalog => self.stores.catalog.server().thaw(),
        }
        self.events.tell(&mend.to_string());
    }
}
