//! A crate to start a plugin from: one of the examples, under a name of its own.

mod name;
mod sdk;
mod template;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use self::name::Name;
use self::sdk::Sdk;
use self::template::Template;

/// What is made.
#[derive(clap::Args)]
pub struct Options {
    /// What the plugin is to provide.
    kind: What,
    /// Its name, which the folder gets too: a filter is called by it in the configuration; of a pool,
    /// catalog or notifier it is the URI scheme. Lower-case letters, digits and hyphens.
    name: Name,
    /// Where the SDK is: a checkout of Sukkal, or the URL of its git repository. By default the one
    /// that came with this program, in its package, tarball or checkout; else a version, for when the
    /// SDK is published.
    #[arg(long, value_name = "PATH|URL")]
    sdk: Option<String>,
}

/// The kinds of plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// Sees requests and messages, and changes or refuses them.
    Filter,
    /// Keeps messages and claims.
    Pool,
    /// Keeps the records of queues, pools and subscriptions.
    Catalog,
    /// Carries messages to subscribers.
    Notifier,
}

/// A crate that was made.
pub struct Made {
    what: What,
    name: Name,
    folder: PathBuf,
    sdk: Sdk,
    /// The guide to its kind, where it lies on this machine.
    guide: Option<PathBuf>,
}

/// Where the guides lie, seen from a folder that the program lies in: in a checkout and a tarball's folder,
/// and below `/usr`.
const GUIDES: [&str; 2] = ["docs/plugins", "share/doc/sukkal/docs/plugins"];

/// What came with this program: the first of these paths, seen from a folder that it lies in, that will do.
fn beside_this_program(paths: &[impl AsRef<Path>], will_do: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let mut found = program.ancestors().flat_map(|folder| paths.iter().map(|path| folder.join(path)));
    found.find(|path| will_do(path))
}

/// Makes a crate in a folder of its name, below the working directory.
///
/// # Errors
/// The folder is there already or cannot be made, or there is no such SDK; in one line.
pub fn new(options: Options) -> Result<Made, String> {
    let Options { kind: what, name, sdk } = options;
    let sdk = match sdk {
        Some(text) => Sdk::parse(&text)?,
        None => Sdk::of_this_program(),
    };
    let folder = PathBuf::from(name.as_str());
    std::fs::create_dir(&folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{} is there already; take another name, or remove it", folder.display())
        }
        _ => format!("the folder {} cannot be made: {error}", folder.display()),
    })?;
    for (path, text) in Template::of(what).files(&name, &sdk) {
        write(&folder.join(path), &text)?;
    }
    format(&folder);
    let guide =
        beside_this_program(&GUIDES.map(|folder| format!("{folder}/{}.md", what.word())), |path| path.is_file());
    Ok(Made { what, name, folder, sdk, guide })
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let unwritable = |error| format!("{} cannot be written: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    std::fs::write(path, text).map_err(unwritable)
}

/// Names of another length move line breaks. Where there is no rustfmt the crate is as good.
fn format(folder: &Path) {
    let mut rustfmt = Command::new("cargo");
    rustfmt.arg("fmt").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = rustfmt.status();
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Filter => "filter",
            What::Pool => "pool",
            What::Catalog => "catalog",
            What::Notifier => "notifier",
        }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let library = format!("target/debug/lib{}.so", self.name.library());
        writeln!(f, "{} {} is made, in the folder {}", self.what.word(), self.name.as_str(), self.folder.display())?;
        writeln!(f, "its SDK: {}", self.sdk)?;
        writeln!(f)?;
        writeln!(f, "    cd {}", self.folder.display())?;
        writeln!(f, "    cargo test")?;
        writeln!(f, "    cargo build")?;
        writeln!(f, "    sukkal plugin inspect {library}")?;
        if matches!(self.what, What::Pool | What::Catalog) {
            writeln!(f, "    sukkal plugin verify {library}")?;
        }
        writeln!(f)?;
        match &self.guide {
            Some(guide) => write!(f, "How it goes on: {}", guide.display()),
            None => write!(f, "How it goes on: docs/plugins/{}.md of Sukkal's documentation", self.what.word()),
        }
    }
}
