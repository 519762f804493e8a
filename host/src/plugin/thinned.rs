//! What plugins log beside requests is thinned out: a driver whose server is away may log every attempt to reach it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::tracing::Level;

/// So many lines of a level are told of a module in so much time.
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);
/// Modules have the names of code; but a plugin might make them up.
const MODULES: usize = 1_000;

/// What was told of each module of a plugin, by levels: a flood of warnings hides no error.
#[derive(Default)]
pub struct Thinned(Mutex<HashMap<(String, String, Level), Told>>);

struct Told {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Thinned {
    /// Whether a line is to be told, and then how many before it were not.
    pub fn one_more(&self, plugin: &str, module: &str, level: Level, now: Instant) -> Option<u64> {
        let mut modules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if modules.len() >= MODULES {
            modules.clear();
        }
        let begun = || Told { since: now, lines: 0, left_out: 0 };
        let told = modules.entry((plugin.to_owned(), module.to_owned(), level)).or_insert_with(begun);
        let mut left_out = 0;
        if now.duration_since(told.since) >= WINDOW {
            left_out = std::mem::replace(told, begun()).left_out;
        }
        if told.lines == LINES {
            told.left_out += 1;
            return None;
        }
        told.lines += 1;
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_module_is_counted_and_keeps_nobody_elses_lines_out() {
        let (thinned, begun) = (Thinned::default(), Instant::now());
        let at = |seconds, plugin, module| {
            thinned.one_more(plugin, module, Level::WARN, begun + Duration::from_secs(seconds))
        };
        let flood: Vec<_> = (0..40).map(|number| at(number / 5, "redis", "driver")).collect();
        assert_eq!(flood, [vec![Some(0); 10], vec![None; 30]].concat());
        assert_eq!([at(8, "redis", "own"), at(8, "sql", "driver")], [Some(0), Some(0)]);
        assert_eq!(thinned.one_more("redis", "driver", Level::ERROR, begun), Some(0));
        assert_eq!([at(10, "redis", "driver"), at(10, "redis", "driver")], [Some(30), Some(0)]);
    }

    #[test]
    fn made_up_modules_take_no_more_room_than_that() {
        let (thinned, now) = (Thinned::default(), Instant::now());
        for number in 0..5_000 {
            thinned.one_more("redis", &number.to_string(), Level::INFO, now);
        }
        assert!(thinned.0.lock().unwrap().len() <= MODULES);
    }
}
