//! Settings: a TOML file, the environment over it, defaults for the rest.
//!
//! `sections` says what there is, `raw` holds it as typed, `check` makes a [`Config`] of it or tells
//! every mistake at once. What only the plugins know (schemes, names, their own settings) is checked
//! when they are loaded, and told in the same form.

mod check;
pub mod editors;
pub mod fixed;
mod level;
mod listeners;
mod mask;
mod mistake;
mod pairs;
mod raw;
mod schema;
mod seconds;
mod secret;
mod section;
mod sections;
mod settings;
mod show;
mod tls;
mod unknown;
mod unmask;
mod value;

use std::ffi::OsString;
use std::path::Path;

pub use mask::{is_secret, masked, masked_uri};
pub use mistake::{Mistake, Origin, in_order, nearest};
pub use schema::keys_of_every_filter;
pub use secret::Secret;
pub use section::Located;
pub use sections::{Admin, Config, FilterConfig, Format, Log, Rest, SignedUrls};
pub use settings::Settings;
pub use show::{PluginSection, Typed};
pub use tls::Tls;
pub use unmask::{UnknownSecret, is_same_place, unmasked};

impl Config {
    /// Reads file and environment.
    ///
    /// # Errors
    /// Every mistake that can be found without plugins.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, OsString)>,
    ) -> Result<Config, Vec<Mistake>> {
        Typed::load(file, env).map(|typed| typed.config)
    }

    /// What is no mistake, and yet keeps clients away.
    pub fn warnings(&self) -> Vec<Mistake> {
        let listeners = [("rest", &self.rest.tls), ("websocket", &self.websocket.tls)];
        listeners.iter().filter_map(|(section, tls)| tls.as_ref()?.untimely(section)).collect()
    }

    /// The filters in their order, as logs show them.
    pub fn filters(&self) -> String {
        self.pipeline.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Typed {
    /// Reads file and environment.
    ///
    /// # Errors
    /// As those of [`Config::load`].
    pub fn load(file: Option<&Path>, env: impl IntoIterator<Item = (String, OsString)>) -> Result<Typed, Vec<Mistake>> {
        let (typed, mistakes) = Typed::read(file, env);
        if mistakes.is_empty() { Ok(typed) } else { Err(mistakes) }
    }

    /// Reads file and environment. With mistakes: what is wrong counts as not set.
    pub fn read(file: Option<&Path>, env: impl IntoIterator<Item = (String, OsString)>) -> (Typed, Vec<Mistake>) {
        let mut mistakes = Vec::new();
        let root = raw::read(file, env, &mut mistakes);
        let config = check::check(&root, &mut mistakes);
        (Typed { config, root }, mistakes)
    }
}

/// The scheme of a URI, if it has one.
pub fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let well_formed = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    well_formed.then_some(scheme)
}

#[cfg(test)]
mod tests;
