//! Which files may be plugins.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Config, Mistake, Origin};

/// Everything in the plugin directories that is named like a library, in the order of the paths, so
/// that nothing depends on the order in which a directory lists its files.
///
/// # Errors
/// A directory that was named cannot be read, or the executable's own is not known.
pub fn candidates(config: &Config) -> Result<Vec<PathBuf>, Vec<Mistake>> {
    let mut found = Vec::new();
    let mut mistakes = Vec::new();
    for (dir, origin) in directories(config, &mut mistakes) {
        match libraries(&dir) {
            Ok(files) => found.extend(files),
            Err(error) => {
                let problem = format!("names {}, which cannot be read: {error}", dir.display());
                mistakes.push(Mistake::new(&origin, "plugin_dirs", problem, "make it, or take it out"));
            }
        }
    }
    found.sort();
    found.dedup();
    if mistakes.is_empty() { Ok(found) } else { Err(mistakes) }
}

fn directories(config: &Config, mistakes: &mut Vec<Mistake>) -> Vec<(PathBuf, Origin)> {
    if let Some(dirs) = &config.plugin_dirs {
        return dirs.iter().map(|dir| (dir.value.clone(), dir.origin.clone())).collect();
    }
    match std::env::current_exe() {
        Ok(program) => program.parent().map(|dir| (beside(dir), Origin::Default)).into_iter().collect(),
        Err(error) => {
            let problem = format!("is not set, and the executable's own directory is not known: {error}");
            mistakes.push(Mistake::new(&Origin::Default, "plugin_dirs", problem, "set it"));
            Vec::new()
        }
    }
}

/// Where the plugins lie that came with a program: below `lib` of a prefix where it is installed, beside
/// it where it was built or unpacked.
fn beside(programs: &Path) -> PathBuf {
    let installed = programs.parent().map(|prefix| prefix.join("lib/sukkal/plugins"));
    installed.filter(|dir| dir.is_dir()).unwrap_or_else(|| programs.to_owned())
}

/// Other extensions are nobody's mistake and are passed over. A folder, a pipe or a link that leads nowhere is told,
/// when it is looked into.
fn libraries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_below_lib_where_the_program_is_installed_and_beside_it_elsewhere() {
        let prefix = tempfile::tempdir().unwrap();
        let programs = prefix.path().join("bin");
        assert_eq!(beside(&programs), programs);
        let plugins = prefix.path().join("lib/sukkal/plugins");
        std::fs::create_dir_all(&plugins).unwrap();
        assert_eq!(beside(&programs), plugins);
    }

    #[test]
    fn whatever_is_named_like_a_library_is_a_candidate() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.so", "a.so", "c.txt"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        for folder in ["d.so", "folder"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", dir.path().join("e.so")).unwrap();
        let located = crate::config::Located { value: dir.path().to_owned(), origin: Origin::Default };
        let config = Config { plugin_dirs: Some(vec![located.clone(), located]), ..Config::default() };
        let names: Vec<_> =
            candidates(&config).unwrap().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["a.so", "b.so", "d.so", "e.so"]);
    }
}
