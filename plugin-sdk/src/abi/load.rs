//! Opening a library: each question is asked before code of it runs that could go wrong.

use std::path::{Path, PathBuf};

use abi_stable::abi_stability::StableAbi as _;
use abi_stable::abi_stability::abi_checking::{CheckingGlobals, check_layout_compatibility_with_globals};
use abi_stable::library::{AbiHeaderRef, LibHeader};
use tracing_subscriber::filter::LevelFilter;

use super::catalog::LoadedCatalog;
use super::copy::Copy;
use super::filter::LoadedFilter;
use super::guard::FutureForm;
use super::host::LibraryHost;
use super::notifier::LoadedNotifier;
use super::pool::LoadedPool;
use super::root::{OpenArgs, OpenForm, RootRef};
use super::services::{HostServices, code_of_filter};
use super::types::Ffi;
use crate::{Error, Manifest, Result};

/// The version of this SDK: a library with a newer one, or of another major version, is refused.
pub const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a plugin exports.
pub(super) const SYMBOL: &str = "sukkal_plugin";

/// A library that was refused: one line with path, fault and mend.
#[derive(Debug, Clone)]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: String,
    /// What to do.
    pub mend: String,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.file(), self.fault, self.mend)
    }
}

impl LoadError {
    /// The file, on one line whatever its name.
    pub fn file(&self) -> String {
        let shown = self.path.to_string_lossy();
        shown.chars().fold(String::with_capacity(shown.len()), |mut line, letter| {
            if letter.is_control() {
                line.extend(letter.escape_default())
            } else {
                line.push(letter)
            }
            line
        })
    }
}

impl std::error::Error for LoadError {}

/// A loaded library. Never unloaded: what came out of it may be anywhere.
#[derive(Clone)]
pub struct Library {
    root: RootRef,
    manifest: Manifest,
    path: PathBuf,
}

impl Library {
    /// Opens a library, or says in one line why not.
    ///
    /// A private copy is loaded, made in `scratch` and without a name, so that replacing the file under a
    /// running host does no harm. Only where that folder takes none is it made in memory.
    ///
    /// # Errors
    /// See [`LoadError`]. Nothing about a bad library ends the process, as far as its first bytes,
    /// its symbols and its layout can tell.
    pub fn load(path: &Path, scratch: &Path, services: &'static dyn HostServices) -> Result<Self, LoadError> {
        let refuse = |(fault, mend): Refusal| LoadError { path: path.to_owned(), fault, mend };
        let copy = Copy::make(path, scratch).map_err(refuse)?;
        let header = open_copy(path, copy).map_err(refuse)?;
        check_version(header).map_err(refuse)?;
        let root = check_layout(header).map_err(refuse)?;
        let manifest = root.manifest()().into_option().map(Manifest::from_form);
        let manifest =
            manifest.ok_or_else(|| refuse(("panics when asked for its manifest".into(), "ask its author".into())))?;
        check_manifest(&manifest).map_err(refuse)?;
        root.start()(LibraryHost::new(&manifest.name, services));
        Ok(Library { root, manifest, path: path.to_owned() })
    }

    /// What the library provides.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Sets the most detailed level at which its log is wanted. `false`: the library was built with
    /// an SDK that cannot change it; the host is handed what it was asked for at first.
    pub fn set_log_level(&self, level: LevelFilter) -> bool {
        let set = self.root.set_log_level();
        set.map(|set| set(code_of_filter(level))).is_some()
    }

    /// What is wrong with a URI (of a filter: its name) and the settings beside it, as far as the library
    /// sees that without opening anything. None: it looks at nothing before it opens, or was built with an
    /// SDK in which it could not.
    pub fn check(&self, uri: &str, settings: &str) -> Option<Result<()>> {
        let checked = self.root.check()?(uri.into(), settings.into()).into_option()?;
        Some(checked.into_result().map_err(Error::from_form))
    }

    /// The file that it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a catalog of the library.
    pub async fn open_catalog(&self, args: OpenArgs) -> Result<LoadedCatalog> {
        self.open(self.root.open_catalog(), args).await
    }

    /// Opens a pool of the library.
    pub async fn open_pool(&self, args: OpenArgs) -> Result<LoadedPool> {
        self.open(self.root.open_pool(), args).await
    }

    /// Opens a filter of the library.
    pub async fn open_filter(&self, args: OpenArgs) -> Result<LoadedFilter> {
        self.open(self.root.open_filter(), args).await
    }

    /// Opens a notifier of the library.
    pub async fn open_notifier(&self, args: OpenArgs) -> Result<LoadedNotifier> {
        self.open(self.root.open_notifier(), args).await
    }

    async fn open<T: Ffi<Form = T>>(
        &self,
        open: extern "C" fn(OpenForm) -> FutureForm<'static, T>,
        args: OpenArgs,
    ) -> Result<T> {
        super::contract::finish::<T>(open(args.into())).await
    }
}

/// What is wrong, and what to do.
pub(super) type Refusal = (String, String);

/// Loads a copy. One that is refused after that stays loaded, like any other.
fn open_copy(path: &Path, copy: Copy) -> Result<&'static LibHeader, Refusal> {
    let flags = libloading::os::unix::RTLD_NOW | libloading::os::unix::RTLD_LOCAL;
    // SAFETY: loading runs the library's initialisers. Whoever may write to the plugin directory
    // may run code in the host: that is what a plugin is.
    let library = unsafe { libloading::os::unix::Library::open(Some(copy.path()), flags) };
    let library = library.map_err(|error| explain(path, &copy, &error))?;
    let library: &'static _ = Box::leak(Box::new(library));
    // SAFETY: the SDK's export macro is the only thing that makes a symbol of this name, and makes
    // it a `LibHeader`, which starts with the magic text that `upgrade` looks for.
    let header = unsafe { library.get::<AbiHeaderRef>(SYMBOL.as_bytes()) };
    let header = header.map(|header| *header).map_err(|error| explain(path, &copy, &error));
    copy.keep_open();
    header?.upgrade().map_err(|_| {
        (
            "was built with another ABI library than this host".to_owned(),
            format!("rebuild it with sukkal-plugin-sdk {SDK_VERSION}"),
        )
    })
}

/// The system loader's own words, about the file that the operator knows.
fn explain(path: &Path, copy: &Copy, error: &libloading::Error) -> Refusal {
    if let Some(folder) = copy.noexec() {
        let fault = format!("cannot be run from its copy in {}, which is mounted noexec", folder.display());
        return (fault, "set TMPDIR to a folder from which programs can be run".to_owned());
    }
    let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let reason = reason.replace(&*copy.path().to_string_lossy(), &path.to_string_lossy());
    let mend = "install what is missing, or build the plugin on this system or an older one";
    (format!("the system cannot load it: {reason}"), mend.to_owned())
}

fn check_version(header: &LibHeader) -> Result<(), Refusal> {
    let theirs = header.version_strings().version.as_str();
    let number = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u64>().ok());
        Some((parts.next()??, parts.next()??))
    };
    let (Some((major, minor)), Some((our_major, our_minor))) = (number(theirs), number(SDK_VERSION)) else {
        return Err((format!("states no readable SDK version (`{theirs}`)"), rebuild()));
    };
    if major == our_major && minor <= our_minor {
        return Ok(());
    }
    let fault = format!("was built with SDK {theirs}; this host takes {our_major}.0 to {our_major}.{our_minor}");
    let mend = if major > our_major || (major == our_major && minor > our_minor) {
        format!("run a newer host, or {}", rebuild())
    } else {
        rebuild()
    };
    Err((fault, mend))
}

fn rebuild() -> String {
    format!(
        "rebuild it with sukkal-plugin-sdk {SDK_VERSION}: have the dependency's `path`, or its `git` with a `rev`, lead to \
         that version in Cargo.toml, then `cargo build --release`"
    )
}

/// abi_stable takes a library that is newer than the host; a plugin is usually older. Layouts are
/// compatible if either can stand for the other (methods are only ever added at the end).
///
/// Nothing is kept from one comparison to the next: abi_stable would demand that all libraries know
/// the same methods, while each of ours speaks with the host alone.
fn check_layout(header: &'static LibHeader) -> Result<RootRef, Refusal> {
    let theirs = header.layout().ok_or_else(|| ("states no layout".to_owned(), rebuild()))?;
    let ours = RootRef::LAYOUT;
    let compare = |left, right| check_layout_compatibility_with_globals(left, right, &CheckingGlobals::new());
    if let Err(errors) = compare(ours, theirs)
        && compare(theirs, ours).is_err()
    {
        let version = header.version_strings().version.as_str();
        let fault = format!(
            "was built with SDK {version}, this host has {SDK_VERSION}, and their layouts differ: {}",
            first_difference(&errors.to_string())
        );
        return Err((fault, rebuild()));
    }
    // SAFETY: the layouts were compared above; methods that one side lacks read as `None`.
    unsafe { header.init_root_module_with_unchecked_layout::<RootRef>() }
        .map_err(|error| ("cannot be initialised".to_owned(), format!("ask its author: {error}").replace('\n', " ")))
}

/// The report has hundreds of lines. What matters is its last error, and the field that it is about:
/// the last one that is named before the two layouts are shown.
fn first_difference(report: &str) -> String {
    let lines: Vec<&str> = report.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let error = lines.iter().rposition(|line| line.starts_with("Error:")).unwrap_or(0);
    let shown = lines[..error].iter().rposition(|line| line.starts_with("Layout of expected")).unwrap_or(error);
    let last = |lines: &[&str], mark: &str| lines.iter().rposition(|line| line.starts_with(mark));
    let field = last(&lines[..shown], "field_name:");
    let owner = field.and_then(|field| last(&lines[..field], "type:"));
    let text = lines[error..].iter().take(6).copied().collect::<Vec<_>>().join(" ");
    let about = match (owner, field) {
        (Some(owner), Some(field)) => {
            let name = |at: usize| lines[at].split_once(':').map_or("", |(_, name)| name);
            format!("field {} of {}: ", name(field), name(owner))
        }
        _ => String::new(),
    };
    format!("{about}{}", text.trim_start_matches("Error:")).chars().take(300).collect()
}

fn check_manifest(manifest: &Manifest) -> Result<(), Refusal> {
    let provides = [&manifest.catalogs, &manifest.pools, &manifest.filters, &manifest.notifiers];
    if provides.iter().all(|list| list.is_empty()) {
        return Err((
            "provides nothing".to_owned(),
            "name a catalog, pool, filter or notifier in export_plugin!".to_owned(),
        ));
    }
    let made_of = |name: &str, signs: &[u8]| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || signs.contains(&byte))
    };
    if let Some(name) = manifest.filters.iter().find(|name| name.is_empty() || !made_of(name, b"+-._")) {
        let mend = "use lower-case letters, digits and `+-._`".to_owned();
        return Err((format!("provides the filter `{name}`, which is no name"), mend));
    }
    // Of another form no URI would lead to it.
    let is_scheme = |name: &str| name.starts_with(|first: char| first.is_ascii_lowercase()) && made_of(name, b"+-.");
    let schemes = [&manifest.catalogs, &manifest.pools, &manifest.notifiers].into_iter().flatten();
    if let Some(name) = schemes.into_iter().find(|name| !is_scheme(name)) {
        let mend = "use lower-case letters, digits and `+-.`, a letter first".to_owned();
        return Err((format!("provides `{name}`, which is no URI scheme"), mend));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_setting_or_uri_could_name_is_refused() {
        let pool = |name: &str| check_manifest(&Manifest { pools: vec![name.to_owned()], ..Manifest::default() });
        let filter = |name: &str| check_manifest(&Manifest { filters: vec![name.to_owned()], ..Manifest::default() });
        for name in ["", "my_store", "1st", "-a", "Redis", "a b", "é"] {
            assert!(pool(name).is_err(), "{name}");
        }
        assert!(pool("mongodb+srv").is_ok() && filter("my_filter").is_ok() && filter("1st").is_ok());
        assert!(filter("").is_err() && filter("a b").is_err());
    }
}
