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
    /// To the catalog, where clients are led to it by one.
    catalog_wire: Option<Proxy>,
    /// To each server of the pool that clients are led to by one.
    pool_wires: Vec<Proxy>,
}

impl Stores {
    /// Starts them. They end with the thread that does so.
    pub async fn start(pool: PoolKind, catalog: CatalogKind) -> Stores {
        let catalog = Catalog::start(catalog).await;
        let catalog_wire = catalog.wire().await;
        let mut pool_wires = Vec::new();
        let pool = Pool::start(pool, &mut pool_wires).await;
        Stores { pool, catalog, catalog_wire, pool_wires }
    }

    /// A host over them.
    pub fn setup(&self) -> Setup {
        let catalog = self.catalog.uri(self.catalog_wire.as_ref());
        let pool = self.pool.uri(self.pool_wires.first());
        Host::with().top(&format!("catalog = {catalog:?}\ndefault_pool = {pool:?}"))
    }

    /// Cuts all connections of all hosts to those stores where there is a way, which it names.
    pub fn cut(&self) -> Vec<&'static str> {
        self.catalog_wire.iter().chain(&self.pool_wires).for_each(Proxy::cut);
        let catalog = self.catalog_wire.is_some().then_some("catalog");
        let pool = (self.pool.cut() || !self.pool_wires.is_empty()).then_some("pool");
        catalog.into_iter().chain(pool).collect()
    }
}
