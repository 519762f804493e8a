//! What libraries say of themselves, asked in a process of its own.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sukkal_plugin_sdk::load::{Library, LoadError};

use super::child::{self, Lost};
use super::registry::{Kind, provides};
use super::services::Services;
use super::shape::Shape;
use crate::config::Config;
use crate::terminal::plain;

/// How long each library may take to be loaded and to describe itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sub-command of `plugin` that [`inspect`] asks.
pub const LOOK: &str = "look";

/// What a library says of itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SDK that it was built with.
    pub sdk: String,
    /// One line.
    pub about: String,
    /// Its catalogs, by URI scheme.
    pub catalogs: Vec<String>,
    /// Its pools, by URI scheme.
    pub pools: Vec<String>,
    /// Its filters, by name.
    pub filters: Vec<String>,
    /// Its notifiers, by URI scheme.
    pub notifiers: Vec<String>,
    /// Named services of its filters.
    pub services: Vec<String>,
    /// The JSON Schema of its settings.
    pub settings: Value,
}

/// What the process that looks answers.
#[derive(Serialize, Deserialize)]
enum Look {
    Loaded(Box<Description>),
    Refused { fault: String, mend: String },
}

/// Looks into libraries in a process of their own, and answers for each in their order. One that
/// ends the process costs its own answer: another process goes on behind it.
///
/// # Errors
/// A library is refused, or it ended the process: one line.
pub fn inspect_all(paths: &[PathBuf]) -> Vec<Result<Description, LoadError>> {
    let mut answers = Vec::with_capacity(paths.len());
    while let Some(left @ [_, ..]) = paths.get(answers.len()..) {
        let files = left.iter().map(|path| path.as_os_str());
        // A name may begin as an option does.
        let arguments: Vec<&OsStr> = ["plugin", LOOK, "--"].map(OsStr::new).into_iter().chain(files).collect();
        let (looks, lost) = child::ask_each::<Look>(&arguments, Stdio::piped(), PATIENCE);
        answers.extend(left.iter().zip(looks).map(|(path, look)| look.told(path)));
        let Some(path) = paths.get(answers.len()) else { continue };
        let mend = match lost {
            Lost::System(_) => {
                "see which programs this user may start, and the limits of processes and memory (`ulimit -a`)"
            }
            Lost::Ended(..) | Lost::Late(_) => "take it out of the plugin directory and ask its author",
        };
        answers.push(Err(LoadError { path: path.clone(), fault: lost.to_string(), mend: mend.to_owned() }));
    }
    answers
}

/// Looks into one library in a process of its own.
///
/// # Errors
/// As for [`inspect_all`].
pub fn inspect(path: &Path) -> Result<Description, LoadError> {
    let unheard = || LoadError { path: path.to_owned(), fault: "was not looked into".into(), mend: "try again".into() };
    inspect_all(&[path.to_owned()]).pop().unwrap_or_else(|| Err(unheard()))
}

/// Looks into libraries in this process, and answers the one that asked.
pub fn look(paths: &[PathBuf]) {
    let services = Services::start(&Config::default(), None);
    child::begin();
    for path in paths {
        child::turn();
        child::answer(&match Library::load(path, &std::env::temp_dir(), services) {
            Ok(library) => Look::Loaded(Box::new(Description::of(&library))),
            Err(LoadError { fault, mend, .. }) => Look::Refused { fault, mend },
        });
    }
}

impl Look {
    fn told(self, path: &Path) -> Result<Description, LoadError> {
        match self {
            Look::Loaded(description) => Ok(*description),
            Look::Refused { fault, mend } => Err(LoadError { path: path.to_owned(), fault, mend }),
        }
    }
}

impl Description {
    /// What a loaded library says of itself.
    pub fn of(library: &Library) -> Self {
        let manifest = library.manifest().clone();
        Description {
            name: manifest.name,
            version: manifest.version,
            sdk: manifest.sdk,
            about: manifest.description,
            catalogs: manifest.catalogs,
            pools: manifest.pools,
            filters: manifest.filters,
            notifiers: manifest.notifiers,
            services: manifest.services,
            settings: serde_json::from_str(&manifest.settings_schema).unwrap_or_default(),
        }
    }

    /// What it provides, kind by kind.
    pub fn provides(&self) -> impl Iterator<Item = (Kind, &str)> {
        provides(&self.catalogs, &self.pools, &self.filters, &self.notifiers)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}: {}", plain(&self.name), plain(&self.version), plain(&self.about))?;
        writeln!(f, "  SDK        {}", plain(&self.sdk))?;
        for (kind, names) in [
            ("catalogs", &self.catalogs),
            ("pools", &self.pools),
            ("filters", &self.filters),
            ("notifiers", &self.notifiers),
            ("services", &self.services),
        ] {
            if !names.is_empty() {
                writeln!(f, "  {kind:<10} {}", plain(&names.join(", ")))?;
            }
        }
        let settings = Shape::new(&self.settings).page(4);
        match settings.as_str() {
            "" => f.write_str("  settings   none"),
            settings => write!(f, "  settings\n{}", settings.trim_end()),
        }
    }
}
