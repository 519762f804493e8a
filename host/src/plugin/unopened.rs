//! What plugins find wrong with URIs and settings before anything is opened.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use sukkal_plugin_sdk::{self as sdk, ErrorKind};

use super::installed::Plugin;
use super::open::OPENING;
use crate::config::{Config, Located, Mistake, Settings};

/// Asks the plugins, and collects what they find.
pub struct Unopened<'a> {
    config: &'a Config,
    mistakes: &'a mut Vec<Mistake>,
    /// What no plugin has looked at, a line each.
    unseen: Vec<String>,
}

impl<'a> Unopened<'a> {
    /// Adds to what was found already.
    pub fn new(config: &'a Config, mistakes: &'a mut Vec<Mistake>) -> Self {
        Unopened { config, mistakes, unseen: Vec::new() }
    }

    /// What no plugin has looked at.
    pub fn unseen(self) -> Vec<String> {
        self.unseen
    }

    /// The URI of a store, and the settings that hold for it.
    pub fn store(&mut self, key: &str, uri: &Located<String>, plugin: &Plugin) {
        let (name, nothing) = (plugin.name(), Settings::default());
        let section = format!("plugins.{name}");
        if self.has_mistakes(&section) {
            return;
        }
        let settings = self.config.plugins.get(name).unwrap_or(&nothing);
        match ask(plugin, &uri.value, settings) {
            Some(Ok(())) => {}
            None => self.unseen.push(format!(
                "`{key}`: nothing but the scheme was looked at; the plugin `{name}` checks a URI when it opens it"
            )),
            Some(Err(error)) => {
                // Whichever of the two is right by itself, it is the other. Who gave no answer is not asked again.
                let asked_again = error.kind != ErrorKind::TimedOut;
                match asked_again.then(|| ask(plugin, &uri.value, &nothing)).flatten() {
                    Some(Ok(())) => self.section(section, settings, plugin, &error),
                    _ => self.mistakes.push(Mistake::new(&uri.origin, key, refused(plugin, &error), "")),
                }
            }
        }
    }

    /// The settings of a filter.
    pub fn filter(&mut self, name: &str, plugin: &Plugin) {
        let (section, nothing) = (format!("filters.{name}"), Settings::default());
        if self.has_mistakes(&section) {
            return;
        }
        let settings = self.config.filters.get(name).map_or(&nothing, |filter| &filter.settings);
        if let Some(Err(error)) = ask(plugin, name, settings) {
            self.section(section, settings, plugin, &error);
        }
    }

    /// A plugin's refusal begins with the name of the setting, where it is about one.
    fn section(&mut self, section: String, settings: &Settings, plugin: &Plugin, error: &sdk::Error) {
        let about = error.message.split([' ', '.']).next().unwrap_or_default();
        let mistake = Mistake::new(&settings.origin(&format!("/{about}")), section, refused(plugin, error), "");
        // Catalog and pool may share them.
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    /// Whether its schema has refused a section: what else there is to it is unknown.
    fn has_mistakes(&self, section: &str) -> bool {
        let within = |key: &str| key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.mistakes.iter().any(|mistake| within(&mistake.key))
    }
}

/// Waits for a plugin's answer for a bounded time; a thread that gives none is left behind.
fn ask(plugin: &Plugin, uri: &str, settings: &Settings) -> Option<sdk::Result<()>> {
    let library = match plugin.library() {
        Ok(library) => library,
        Err(refusal) => return Some(Err(sdk::Error::unavailable(refusal.to_string()))),
    };
    let (uri, settings) = (uri.to_owned(), settings.json());
    let (answer, answered) = channel();
    let asking = thread::Builder::new().name("check".to_owned()).spawn(move || {
        let _ = answer.send(library.check(&uri, &settings));
    });
    if let Err(error) = asking {
        return Some(Err(sdk::Error::unavailable(format!("no thread can be started to ask it: {error}"))));
    }
    answered.recv_timeout(OPENING).unwrap_or_else(|error| {
        Some(Err(match error {
            RecvTimeoutError::Timeout => {
                let text = format!("it gave no answer within {} s when it was asked to check this", OPENING.as_secs());
                sdk::Error::new(ErrorKind::TimedOut, text)
            }
            RecvTimeoutError::Disconnected => sdk::Error::internal("it fails when it is asked to check this"),
        }))
    })
}

fn refused(plugin: &Plugin, error: &sdk::Error) -> String {
    format!("is refused by the plugin `{}`: {error}", plugin.name())
}
