//! What an operator can set, and what a URI says.

use std::path::{Path, PathBuf};

use sukkal_plugin_sdk::store::within;
use sukkal_plugin_sdk::{Deserialize, Error, JsonSchema, Result, Serialize};

/// Settings of SQLite catalogs and pools. A URI can override each of them for one file:
/// `sqlite:pool.db?synchronous=normal`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// When a commit counts as done. `full`: once it is on the disk, so that it outlives a power
    /// cut. `normal`: once the system has it; a power cut may take the last commits, a crash of the
    /// host does not.
    pub synchronous: Synchronous,
    /// Threads that read, 1 to 64.
    pub readers: u32,
    /// Page cache of the writing connection, in KiB, 64 to 4,194,304.
    pub cache_kib: u32,
    /// Page cache of each reading connection, in KiB, 64 to 4,194,304.
    pub reader_cache_kib: u32,
    /// Bodies that are kept in memory for whoever claims or lists them next, in KiB, 64 to 4,194,304.
    pub body_cache_kib: u32,
    /// Size of a page in bytes, for files that are made anew: a power of two from 1,024 to 65,536.
    pub page_size: u32,
    /// The largest size of the file, in MiB, 1 to 16,777,216; 0 for no bound. Beyond it posts are
    /// refused; reads and deletes go on.
    pub max_mib: u32,
    /// How much the write-ahead log holds, in MiB, before it is copied into the file, 1 to 1,024.
    /// At eight times this size writers and readers wait for that.
    pub checkpoint_mib: u32,
    /// Requests that may wait for the writer, and as many for the readers, 16 to 1,000,000. Beyond
    /// that they are refused, to be repeated.
    pub waiting: u32,
}

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", rename_all = "lowercase")]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub enum Synchronous {
    /// Once it is on the disk.
    Full,
    /// Once the system has it.
    Normal,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            synchronous: Synchronous::Full,
            readers: 2,
            cache_kib: 8 * 1024,
            reader_cache_kib: 2 * 1024,
            body_cache_kib: 2 * 1024,
            page_size: 4096,
            max_mib: 0,
            checkpoint_mib: 8,
            waiting: 20_000,
        }
    }
}

const KNOWN: &str =
    "synchronous, readers, cache_kib, reader_cache_kib, body_cache_kib, page_size, max_mib, checkpoint_mib, waiting";

/// What is wrong with a URI.
///
/// # Errors
/// As of [`Settings::of_uri`].
pub fn check(uri: &str, settings: Settings) -> Result<()> {
    settings.of_uri(uri, Path::new("")).map(drop)
}

impl Settings {
    /// The file that a URI names, and the settings that hold for it.
    ///
    /// # Errors
    /// `Invalid`: no path, an unknown parameter, or a value out of its range.
    pub fn of_uri(mut self, uri: &str, data_dir: &Path) -> Result<(PathBuf, Settings)> {
        let rest = uri.strip_prefix("sqlite:").ok_or_else(|| Error::invalid("the uri must start with sqlite:"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = match path.strip_prefix("//") {
            Some(absolute) if absolute.starts_with('/') => absolute,
            Some(_) => return Err(Error::invalid("write sqlite:NAME or sqlite:///PATH; a host has no meaning here")),
            None => path,
        };
        if path.is_empty() || path.ends_with('/') {
            return Err(Error::invalid("the uri names no file; write sqlite:pool.db"));
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.set(name, value)?;
        }
        self.check()?;
        Ok((data_dir.join(path), self))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let number = |field: &mut u32| {
            *field = value.parse().map_err(|_| Error::invalid(format!("{name} must be a whole number")))?;
            Ok(())
        };
        match name {
            "synchronous" => {
                self.synchronous = match value {
                    "full" => Synchronous::Full,
                    "normal" => Synchronous::Normal,
                    _ => return Err(Error::invalid("synchronous must be full or normal")),
                };
                Ok(())
            }
            "readers" => number(&mut self.readers),
            "cache_kib" => number(&mut self.cache_kib),
            "reader_cache_kib" => number(&mut self.reader_cache_kib),
            "body_cache_kib" => number(&mut self.body_cache_kib),
            "page_size" => number(&mut self.page_size),
            "max_mib" => number(&mut self.max_mib),
            "checkpoint_mib" => number(&mut self.checkpoint_mib),
            "waiting" => number(&mut self.waiting),
            _ => Err(Error::invalid(format!("the uri has no parameter {name}; it knows {KNOWN}"))),
        }
    }

    fn check(&self) -> Result<()> {
        within("readers", self.readers, 1..=64)?;
        within("cache_kib", self.cache_kib, 64..=4_194_304)?;
        within("reader_cache_kib", self.reader_cache_kib, 64..=4_194_304)?;
        within("body_cache_kib", self.body_cache_kib, 64..=4_194_304)?;
        within("page_size", self.page_size, 1024..=65_536)?;
        within("max_mib", self.max_mib, 0..=16_777_216)?;
        within("checkpoint_mib", self.checkpoint_mib, 1..=1024)?;
        within("waiting", self.waiting, 16..=1_000_000)?;
        if !self.page_size.is_power_of_two() {
            return Err(Error::invalid("page_size must be a power of two"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Result<(PathBuf, Settings)> {
        Settings::default().of_uri(uri, Path::new("/data"))
    }

    #[test]
    fn uris_name_files_below_the_data_directory_or_anywhere() {
        for (uri, path) in [
            ("sqlite:pool.db", "/data/pool.db"),
            ("sqlite:a/b.db", "/data/a/b.db"),
            ("sqlite:/abs/p.db", "/abs/p.db"),
            ("sqlite:///abs/p.db", "/abs/p.db"),
        ] {
            assert_eq!(parse(uri).map(|found| found.0).ok(), Some(PathBuf::from(path)), "{uri}");
        }
        for uri in ["redis:x", "sqlite:", "sqlite://host/p.db", "sqlite:dir/"] {
            assert!(parse(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn parameters_override_settings_and_unknown_ones_are_named() {
        let settings = parse("sqlite:p.db?synchronous=normal&readers=4").map(|found| found.1);
        let wanted = Settings { synchronous: Synchronous::Normal, readers: 4, ..Settings::default() };
        assert_eq!(settings.ok(), Some(wanted));
        let refused = parse("sqlite:p.db?reader=4").map_err(|error| error.message);
        assert!(refused.is_err_and(|text| text.contains("no parameter reader") && text.contains("readers")));
        for uri in ["sqlite:p.db?readers=0", "sqlite:p.db?page_size=5000", "sqlite:p.db?synchronous=off"] {
            assert!(parse(uri).is_err(), "{uri}");
        }
    }
}
