//! Opening a library: each question is asked before code of it runs that could go wrong.

use std::fs;
use std::io::Seek as _;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use abi_stable::abi_stability::StableAbi as _;
use abi_stable::abi_stability::abi_checking::{CheckingGlobals, check_layout_compatibility_with_globals};
use abi_stable::library::{AbiHeaderRef, LibHeader};
use object::{Object as _, ObjectSymbol as _, ReadCache, ReadRef as _};
use tracing_subscriber::filter::LevelFilter;

use super::catalog::LoadedCatalog;
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

const SYMBOL: &str = "sukkal_plugin";

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
    /// A private copy is checked and loaded, made in `scratch` and removed at once, so that replacing
    /// the file under a running host does no harm. Only where that folder takes none is it made in memory.
    ///
    /// # Errors
    /// See [`LoadError`]. Nothing about a bad library ends the process, as far as its first bytes,
    /// its symbols and its layout can tell.
    pub fn load(path: &Path, scratch: &Path, services: &'static dyn HostServices) -> Result<Self, LoadError> {
        let refuse = |(fault, mend): Refusal| LoadError { path: path.to_owned(), fault, mend };
        let mut copy = Copy::make(path, scratch).map_err(refuse)?;
        copy.check().map_err(refuse)?;
        let header = open_copy(path, &mut copy).map_err(refuse)?;
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
type Refusal = (String, String);

/// Whether it is a whole library for this machine that exports what a plugin exports. Must come
/// first: the system's loader can be killed by a file that is cut short.
fn check_file(file: &ReadCache<fs::File>, length: u64) -> Result<(), Refusal> {
    let mend = || "build it with `cargo build --release` as a cdylib for this machine and copy it whole".to_owned();
    let not_a_library = |why: &str| (format!("is no shared library ({why})"), mend());
    if length == 0 {
        return Err(not_a_library("the file is empty"));
    }
    let library = object::File::parse(file).map_err(|error| not_a_library(&error.to_string().to_lowercase()))?;
    let theirs = file.read_bytes_at(0, HEAD).ok().and_then(machine);
    if ours().is_some_and(|ours| Some(ours) != theirs) {
        return Err((format!("is a library for another machine ({:?})", library.architecture()), mend()));
    }
    if library.kind() != object::ObjectKind::Dynamic {
        return Err(not_a_library("it is an executable or an object file"));
    }
    check_whole(file, length).map_err(|why| (format!("is cut short ({why})"), mend()))?;
    let exported = library.dynamic_symbols().any(|symbol| symbol.name() == Ok(SYMBOL) && symbol.is_definition());
    if !exported {
        let fault = format!("is a library, but no Sukkal plugin (it does not export `{SYMBOL}`)");
        return Err((
            fault,
            "use sukkal_plugin_sdk::export_plugin! in its lib.rs, or take it out of the plugin directory".into(),
        ));
    }
    Ok(())
}

/// What of an ELF file tells its machine, in bytes.
const HEAD: u64 = 20;

/// Word size, byte order and machine, as the head of an ELF file has them.
fn machine(file: &[u8]) -> Option<[u8; 4]> {
    Some([*file.get(4)?, *file.get(5)?, *file.get(18)?, *file.get(19)?])
}

/// The machine of this very program.
fn ours() -> Option<[u8; 4]> {
    let mut head = [0; HEAD as usize];
    let mut program = std::env::current_exe().and_then(fs::File::open).ok()?;
    std::io::Read::read_exact(&mut program, &mut head).ok()?;
    machine(&head)
}

/// Everything that the file's own tables speak of must lie inside it.
fn check_whole(file: &ReadCache<fs::File>, length: u64) -> Result<(), String> {
    use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};
    let header = object::elf::FileHeader64::<object::Endianness>::parse(file).map_err(|error| error.to_string())?;
    let endian = header.endian().map_err(|error| error.to_string())?;
    let inside = |offset: u64, size: u64| offset.checked_add(size).is_some_and(|end| end <= length);
    for segment in header.program_headers(endian, file).map_err(|error| error.to_string())? {
        if !inside(segment.p_offset(endian), segment.p_filesz(endian)) {
            return Err("a segment ends beyond the file".to_owned());
        }
    }
    for section in header.section_headers(endian, file).map_err(|error| error.to_string())? {
        if section.file_range(endian).is_some_and(|(offset, size)| !inside(offset, size)) {
            return Err("a section ends beyond the file".to_owned());
        }
    }
    Ok(())
}

fn open_copy(path: &Path, copy: &mut Copy) -> Result<&'static LibHeader, Refusal> {
    let flags = libloading::os::unix::RTLD_NOW | libloading::os::unix::RTLD_LOCAL;
    // SAFETY: loading runs the library's initialisers. Whoever may write to the plugin directory
    // may run code in the host: that is what a plugin is.
    let library = unsafe { libloading::os::unix::Library::open(Some(copy.path.as_os_str()), flags) };
    let library = library.map_err(|error| copy.explain(path, &error))?;
    copy.is_loaded();
    let library: &'static _ = Box::leak(Box::new(library));
    // SAFETY: the SDK's export macro is the only thing that makes a symbol of this name, and makes
    // it a `LibHeader`, which starts with the magic text that `upgrade` looks for.
    let header = unsafe { library.get::<AbiHeaderRef>(SYMBOL.as_bytes()) };
    let header = *header.map_err(|error| copy.explain(path, &error))?;
    header.upgrade().map_err(|_| {
        (
            "was built with another ABI library than this host".to_owned(),
            format!("rebuild it with sukkal-plugin-sdk {SDK_VERSION}"),
        )
    })
}

/// A copy that is gone when the value is.
struct Copy {
    path: PathBuf,
    /// On a disk. Its name is left to chance: a process that was killed may have left one behind, and its number may
    /// come again.
    file: Option<tempfile::TempPath>,
    /// In memory.
    memory: Option<fs::File>,
}

impl Copy {
    fn make(path: &Path, scratch: &Path) -> Result<Self, Refusal> {
        let unreadable = |error: std::io::Error| {
            let mend = match error.kind() {
                std::io::ErrorKind::NotFound => "check the path; a library is called libNAME.so",
                _ => "check its permissions",
            };
            (format!("cannot be read: {error}"), mend.to_owned())
        };
        let kind = fs::metadata(path).map_err(unreadable)?.file_type();
        if kind.is_dir() {
            return Err(("is a folder".to_owned(), "name the library in it, a file called libNAME.so".to_owned()));
        }
        // To open a pipe is to wait for whoever writes to it.
        if !kind.is_file() {
            return Err(("is no regular file".to_owned(), "name a library, a file called libNAME.so".to_owned()));
        }
        let mut original = fs::File::open(path).map_err(unreadable)?;
        // A host whose messages have filled the disk must start, or nobody could delete them.
        Copy::on_disk(&mut original, path, scratch).or_else(|error| {
            Copy::in_memory(&mut original).map_err(|_| {
                let fault = format!("cannot be copied to {}: {error}", scratch.display());
                let mend = match error.kind() {
                    std::io::ErrorKind::FileTooLarge => "raise the limit of the size of files (`ulimit -f`)",
                    _ => "make room there or set TMPDIR",
                };
                (fault, mend.to_owned())
            })
        })
    }

    fn in_memory(original: &mut fs::File) -> std::io::Result<Self> {
        let mut copy = fs::File::from(rustix::fs::memfd_create("sukkal", rustix::fs::MemfdFlags::CLOEXEC)?);
        original.rewind()?;
        std::io::copy(original, &mut copy)?;
        Ok(Copy { path: format!("/proc/self/fd/{}", copy.as_raw_fd()).into(), file: None, memory: Some(copy) })
    }

    fn on_disk(original: &mut fs::File, path: &Path, scratch: &Path) -> std::io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut copy = tempfile::Builder::new()
            .prefix(".sukkal-")
            .suffix(&format!("-{name}"))
            .permissions(fs::Permissions::from_mode(0o700))
            .tempfile_in(scratch.canonicalize()?)?;
        std::io::copy(original, &mut copy)?;
        let copy = copy.into_temp_path();
        Ok(Copy { path: copy.to_path_buf(), file: Some(copy), memory: None })
    }

    /// See [`check_file`].
    fn check(&self) -> Result<(), Refusal> {
        let opened = fs::File::open(&self.path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = opened.map_err(|error| {
            (
                format!("its copy {} cannot be read: {error}", self.path.display()),
                "set TMPDIR to another place".to_owned(),
            )
        })?;
        check_file(&ReadCache::new(file), length)
    }

    /// The system has loaded it. It knows what it has loaded by its path, so that of a copy in memory, which is the
    /// number of an open file, must not come again.
    fn is_loaded(&mut self) {
        if let Some(memory) = self.memory.take() {
            let _ = memory.into_raw_fd();
        }
    }

    /// The system loader's own words, about the file that the operator knows.
    fn explain(&self, path: &Path, error: &libloading::Error) -> Refusal {
        if let Some(folder) = self.path.parent().filter(|folder| self.file.is_some() && is_noexec(folder)) {
            let fault = format!("cannot be run from its copy in {}, which is mounted noexec", folder.display());
            return (fault, "set TMPDIR to a folder from which programs can be run".to_owned());
        }
        let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let reason = reason.replace(&*self.path.to_string_lossy(), &path.to_string_lossy());
        let mend = "install what is missing, or build the plugin on this system or an older one";
        (format!("the system cannot load it: {reason}"), mend.to_owned())
    }
}

/// Whether nothing can be run from a folder.
fn is_noexec(folder: &Path) -> bool {
    // Of a folder that cannot be asked, the loader's own words are told.
    rustix::fs::statvfs(folder).is_ok_and(|system| system.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC))
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
    let well_named = |name: &String| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-._".contains(&byte))
    };
    if let Some(name) = provides.iter().flat_map(|list| list.iter()).find(|name| !well_named(name)) {
        let mend = "use lower-case letters, digits and `+-._`".to_owned();
        return Err((format!("provides `{name}`, which is no scheme or name"), mend));
    }
    Ok(())
}
