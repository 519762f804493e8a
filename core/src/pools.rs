//! The open pools, and which of them a new queue gets (spec: pools and flavors).

use sukkal_plugin_sdk::load::OpenPool;

use crate::error::{Error, ErrorKind, Result};

/// The name under which queues' records know the configured default pool.
pub const DEFAULT: &str = "";

/// The open pools by name.
pub struct Pools {
    default: Option<OpenPool>,
}

impl Pools {
    /// The configured default pool, if there is one.
    pub fn new(default: Option<OpenPool>) -> Self {
        Pools { default }
    }

    /// The pool for a new queue: its name and itself.
    ///
    /// # Errors
    /// `BadValue`: there is no such flavor. `Unavailable`: no pool can be chosen.
    pub fn choose(&self, flavor: Option<&str>) -> Result<(String, OpenPool)> {
        if let Some(flavor) = flavor {
            return Err(Error::value(format!("Flavor {flavor} does not exist")));
        }
        match &self.default {
            Some(pool) => Ok((DEFAULT.to_owned(), pool.clone())),
            None => Err(Error::new(ErrorKind::Unavailable, "No pools registered.")),
        }
    }

    /// The pool of a name that a queue's record has.
    ///
    /// # Errors
    /// `Unavailable`: it is not open here.
    pub fn get(&self, name: &str) -> Result<OpenPool> {
        let pool = if name == DEFAULT { self.default.clone() } else { None };
        pool.ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "The queue's pool is not available.")
                .detail(format_args!("pool `{name}` is not open"))
        })
    }

    /// Every open pool.
    pub fn all(&self) -> impl Iterator<Item = (&str, &OpenPool)> {
        self.default.iter().map(|pool| (DEFAULT, pool))
    }
}
