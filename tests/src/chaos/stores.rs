//! The stores below the hosts: real servers, behind wires that can be cut.

use super::catalog::{Catalog, CatalogKind};
use super::pool::{Pool, PoolKind};
use crate::Host;
use crate::host::Setup;
use crate::servers::proxy::Proxy;

/// The servers of a run.
#[derive(Debug)]
pub struct Stores {
    pub(super) pool: Pool,
    pub(super) catalog: Catalog,
    /// To the catalog first, then to each server of the pool that clients are led to by a wire.
    wires: Vec<Proxy>,
}

impl Stores {
    /// Starts them. They end with the thread that does so.
    pub async fn start(pool: PoolKind, catalog: CatalogKind) -> Stores {
        let catalog = Catalog::start(catalog).await;
        let mut wires = vec![Proxy::to(catalog.port()).await];
        let pool = Pool::start(pool, &mut wires).await;
        Stores { pool, catalog, wires }
    }

    /// A host over them.
    pub fn setup(&self) -> Setup {
        let catalog = self.catalog.uri(self.wires[0].port());
        let pool = self.pool.uri(self.wires.get(1));
        Host::with().top(&format!("catalog = {catalog:?}\ndefault_pool = {pool:?}"))
    }

    /// Cuts all connections of all hosts.
    pub fn cut(&self) {
        self.wires.iter().for_each(Proxy::cut);
        self.pool.cut();
    }
}
