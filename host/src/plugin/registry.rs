//! Scheme or name → library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sukkal_plugin_sdk::load::{HostServices, Library, LoadError};

use crate::config::{Located, Mistake, Origin};

/// What a library can provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A catalog, by URI scheme.
    Catalog,
    /// A pool, by URI scheme.
    Pool,
    /// A filter, by name.
    Filter,
    /// A notifier, by URI scheme.
    Notifier,
}

impl Kind {
    /// As messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Catalog => "catalog",
            Kind::Pool => "pool",
            Kind::Filter => "filter",
            Kind::Notifier => "notifier",
        }
    }
}

/// The loaded libraries, and the files that were none.
#[derive(Default)]
pub struct Registry {
    libraries: Vec<Library>,
    refused: Vec<LoadError>,
    /// What is provided, and by which of `libraries`.
    provided: BTreeMap<(Kind, String), usize>,
}

impl Registry {
    /// Loads every candidate. A file that is refused is told in one line and passed over.
    ///
    /// # Errors
    /// Two libraries provide the same: nothing decides which is meant.
    pub fn load(candidates: &[PathBuf], services: &'static dyn HostServices) -> Result<Self, Vec<Mistake>> {
        let mut registry = Registry::default();
        let mut mistakes = Vec::new();
        for path in candidates {
            match Library::load(path, &std::env::temp_dir(), services) {
                Ok(library) => registry.add(library, &mut mistakes),
                Err(refusal) => registry.refused.push(refusal),
            }
        }
        if mistakes.is_empty() { Ok(registry) } else { Err(mistakes) }
    }

    fn add(&mut self, library: Library, mistakes: &mut Vec<Mistake>) {
        let manifest = library.manifest();
        for (kind, name) in provides(&manifest.catalogs, &manifest.pools, &manifest.filters, &manifest.notifiers) {
            let entry = self.provided.entry((kind, name.to_owned())).or_insert(self.libraries.len());
            if let Some(earlier) = self.libraries.get(*entry) {
                mistakes.push(twice(kind, name, earlier.path(), library.path()));
            }
        }
        self.libraries.push(library);
    }

    /// The loaded libraries, in the order of their paths.
    pub fn libraries(&self) -> &[Library] {
        &self.libraries
    }

    /// The files that were refused.
    pub fn refused(&self) -> &[LoadError] {
        &self.refused
    }

    /// The library that provides something.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&Library> {
        self.provided.get(&(kind, name.to_owned())).and_then(|index| self.libraries.get(*index))
    }

    /// All that is provided of a kind.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.provided.keys().filter(move |(of, _)| *of == kind).map(|(_, name)| name.as_str())
    }

    /// The library that a setting needs, or what to tell the operator. A refused file may be the
    /// one that is missed, so each is told again.
    pub fn needed(&self, kind: Kind, name: &str, key: &str, setting: &Located<String>) -> Result<&Library, Mistake> {
        if let Some(library) = self.find(kind, name) {
            return Ok(library);
        }
        let problem = format!("needs the {} `{name}`, which no loaded plugin provides", kind.name());
        let loaded: Vec<&str> = self.names(kind).collect();
        let mend = match crate::config::nearest(name, loaded.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if loaded.is_empty() => {
                "put its library into a plugin directory; none of this kind is loaded".to_owned()
            }
            None => format!("loaded are: {}", loaded.join(", ")),
        };
        let refused = self.refused.iter().map(|refusal| format!("; refused: {refusal}")).collect::<String>();
        Err(Mistake::new(&setting.origin, key, problem, mend + &refused))
    }
}

/// What a library provides, kind by kind.
pub fn provides<'a>(
    catalogs: &'a [String],
    pools: &'a [String],
    filters: &'a [String],
    notifiers: &'a [String],
) -> impl Iterator<Item = (Kind, &'a str)> {
    let each = [(Kind::Catalog, catalogs), (Kind::Pool, pools), (Kind::Filter, filters), (Kind::Notifier, notifiers)];
    each.into_iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, name.as_str())))
}

/// Tells that two libraries provide the same: nothing decides which is meant.
pub fn twice(kind: Kind, name: &str, first: &Path, second: &Path) -> Mistake {
    let problem = format!("{} and {} both provide the {} `{name}`", first.display(), second.display(), kind.name());
    Mistake::new(&Origin::Default, "", problem, "take one of them out of the plugin directories")
}
