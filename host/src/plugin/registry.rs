//! Scheme or name → plugin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sukkal_plugin_sdk::load::LoadError;

use super::inspect::inspect_all;
use super::installed::Plugin;
use super::services::Services;
use crate::config::{Located, Mistake, Origin};

/// What a library can provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
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

/// The plugins that were found, and the files that are none.
#[derive(Default)]
pub struct Registry {
    plugins: Vec<Arc<Plugin>>,
    refused: Vec<LoadError>,
    /// What is provided, and by which of `plugins`.
    provided: BTreeMap<(Kind, String), usize>,
}

impl Registry {
    /// Looks into every candidate, in a process of its own. One that is refused is passed over.
    ///
    /// # Errors
    /// Two plugins provide the same, or have one name: nothing decides which is meant.
    pub fn find_all(candidates: &[PathBuf], services: &'static Services) -> Result<Self, Vec<Mistake>> {
        let mut registry = Registry::default();
        let mut mistakes = Vec::new();
        for (path, looked) in candidates.iter().zip(inspect_all(candidates)) {
            match looked {
                Ok(description) => registry.add(Plugin::new(path.clone(), description, services), &mut mistakes),
                Err(refusal) => registry.refused.push(refusal),
            }
        }
        if mistakes.is_empty() { Ok(registry) } else { Err(mistakes) }
    }

    fn add(&mut self, plugin: Plugin, mistakes: &mut Vec<Mistake>) {
        let before = mistakes.len();
        for (kind, name) in plugin.description().provides() {
            let entry = self.provided.entry((kind, name.to_owned())).or_insert(self.plugins.len());
            if let Some(earlier) = self.plugins.get(*entry) {
                mistakes.push(twice(kind, name, earlier.path(), plugin.path()));
            }
        }
        let namesake = self.plugins.iter().find(|earlier| earlier.name() == plugin.name());
        if let Some(earlier) = namesake.filter(|_| mistakes.len() == before) {
            mistakes.push(namesakes(plugin.name(), earlier.path(), plugin.path()));
        }
        self.plugins.push(Arc::new(plugin));
    }

    /// The plugins, in the order of their paths.
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// The files that were refused.
    pub fn refused(&self) -> &[LoadError] {
        &self.refused
    }

    /// Why files were refused: a line for each reason, which many can share.
    pub fn refusals(&self) -> impl Iterator<Item = String> {
        let mut reasons: Vec<(&LoadError, Vec<String>)> = Vec::new();
        for refusal in &self.refused {
            let same = |(other, _): &&mut (&LoadError, _)| other.fault == refusal.fault && other.mend == refusal.mend;
            let path = refusal.file();
            match reasons.iter_mut().find(same) {
                Some((_, paths)) => paths.push(path),
                None => reasons.push((refusal, vec![path])),
            }
        }
        reasons.into_iter().map(|(refusal, paths)| format!("{}: {}; {}", paths.join(", "), refusal.fault, refusal.mend))
    }

    /// The plugin that provides something.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&Arc<Plugin>> {
        self.provided.get(&(kind, name.to_owned())).and_then(|index| self.plugins.get(*index))
    }

    /// All that is provided of a kind.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.provided.keys().filter(move |(of, _)| *of == kind).map(|(_, name)| name.as_str())
    }

    /// The plugin that a setting needs, or what to tell the operator. A refused file may be the
    /// one that is missed, so each is told again.
    pub fn needed(&self, kind: Kind, name: &str, key: &str, setting: &Located<String>) -> Result<&Plugin, Mistake> {
        if let Some(plugin) = self.find(kind, name) {
            return Ok(plugin);
        }
        let problem = format!("needs the {} `{name}`, which no plugin provides", kind.name());
        let provided: Vec<&str> = self.names(kind).collect();
        let mend = match crate::config::nearest(name, provided.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if provided.is_empty() => {
                "put its library into a plugin directory; none of this kind is there".to_owned()
            }
            None => format!("provided are: {}", provided.join(", ")),
        };
        let refused = self.refusals().map(|refusal| format!("; refused: {refusal}")).collect::<String>();
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

/// Tells that two plugins provide the same: nothing decides which is meant.
pub fn twice(kind: Kind, name: &str, first: &Path, second: &Path) -> Mistake {
    let problem = format!("{} and {} both provide the {} `{name}`", first.display(), second.display(), kind.name());
    Mistake::new(&Origin::Default, "", problem, "take one of them out of the plugin directories")
}

/// Tells that two plugins have one name: nothing decides whose settings and log it stands for.
pub fn namesakes(name: &str, first: &Path, second: &Path) -> Mistake {
    let problem = format!("{} and {} are both called `{name}`", first.display(), second.display());
    let mend = "take one of them out of the plugin directories, or rename its crate";
    Mistake::new(&Origin::Default, "", problem, mend)
}
