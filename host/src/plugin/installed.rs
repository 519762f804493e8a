//! A plugin that was found: what it says of itself, and its library once it is needed.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sukkal_plugin_sdk::load::{Library, LoadError};

use super::inspect::Description;
use super::services::Services;

/// A plugin in a plugin directory. Its library is loaded by the first who needs it, so that what is
/// not used costs neither memory nor trust.
pub struct Plugin {
    path: PathBuf,
    description: Description,
    services: &'static Services,
    library: Mutex<Option<Library>>,
}

impl Plugin {
    /// One that was looked into, and is not loaded yet.
    pub fn new(path: PathBuf, description: Description, services: &'static Services) -> Self {
        Plugin { path, description, services, library: Mutex::new(None) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Its library, loaded now if it was not yet; that takes milliseconds.
    ///
    /// # Errors
    /// The file is not any more what was looked into, or can now not be loaded.
    pub fn library(&self) -> Result<Library, LoadError> {
        let mut slot = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*slot {
            return Ok(library.clone());
        }
        let library = Library::load(&self.path, &std::env::temp_dir(), self.services)?;
        let (now, found) = (Description::of(&library), &self.description);
        if now != *found {
            return Err(LoadError {
                path: self.path.clone(),
                fault: format!("was {} {} when the host started, and is another plugin now", found.name, found.version),
                mend: "restart the host".to_owned(),
            });
        }
        self.services.loaded(&library);
        Ok(slot.insert(library).clone())
    }

    /// Its library, if it is loaded.
    pub fn loaded(&self) -> Option<Library> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
