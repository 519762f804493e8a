//! The service of a host: the engine over the memory plugin, with a clock that can be advanced.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sukkal_core::{Api, Engine, Limits, Opening, Parts, PoolOpener, PoolSpec, Reloadable, UrlSigner};
use sukkal_plugin_sdk::Error;
use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::TestClock;

/// How far the clock is advanced, at the most: no life of a subscription reaches the year 10,000.
const FAR: Duration = Duration::from_secs(1000 * 365 * 86_400);

/// Loaded once in a process: a library is never unloaded, and has one clock for all that is opened of it.
struct Plugin {
    library: Library,
    clock: TestClock,
    advanced_secs: AtomicU64,
}

fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        // For the copy that is loaded.
        let scratch = tempfile::tempdir().expect("a temporary folder can be made");
        let clock = TestClock::default();
        let library = Library::load(&memory(), scratch.path(), clock.services()).expect("the memory plugin loads");
        Plugin { library, clock, advanced_secs: AtomicU64::new(0) }
    })
}

/// The memory plugin's library: beside this program or above it, else where `cargo build` puts it.
fn memory() -> PathBuf {
    let this = std::env::current_exe().expect("a program knows its own path");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let beside = this.ancestors().skip(1).take(2).map(Path::to_owned);
    let mut folders = beside.chain(["debug", "release"].map(|profile| target.join(profile)));
    let library = folders.find_map(|folder| Some(folder.join("libsukkal_memory.so")).filter(|file| file.exists()));
    library.expect("the memory plugin is built: run `cargo build`")
}

/// Lets time pass, for all that has been started. Far in the future it stands still.
pub fn advance(by: Duration) {
    let Plugin { clock, advanced_secs, .. } = plugin();
    if advanced_secs.load(Ordering::Relaxed) < FAR.as_secs() {
        advanced_secs.fetch_add(by.as_secs(), Ordering::Relaxed);
        clock.advance(by);
    }
}

/// Starts one, with everything switched on.
///
/// # Panics
/// The plugin has not been built.
pub async fn start() -> Arc<Engine> {
    let Plugin { library, clock, .. } = plugin();
    Engine::start(Parts {
        catalog: library.open_catalog(arguments("memory:")).await.expect("a catalog opens").into(),
        default_pool: Some(library.open_pool(arguments("memory:")).await.expect("a pool opens").into()),
        pools: Arc::new(MemoryPools),
        reloadable: Reloadable {
            // Who waits for a message would hold up all that follows.
            limits: Limits { max_wait: 0, ..Limits::default() },
            api: Api { admin_mode: true, enable_checksum: true, ..Api::default() },
            url_signer: UrlSigner::new("test-secret"),
            ..Reloadable::default()
        },
        clock: Arc::new(move || clock.now()),
        observer: Arc::new(()),
        host_id: "fuzz".to_owned(),
    })
}

fn arguments(uri: &str) -> OpenArgs {
    OpenArgs {
        which: "memory".to_owned(),
        uri: uri.to_owned(),
        settings: "{}".to_owned(),
        data_dir: std::env::temp_dir().to_string_lossy().into_owned(),
        host_id: "fuzz".to_owned(),
        records: None,
        isolate: false,
    }
}

/// Opens pools in memory, whatever their options.
struct MemoryPools;

impl PoolOpener for MemoryPools {
    fn open(&self, _name: &str, spec: &PoolSpec) -> Opening {
        let arguments = arguments(&spec.uri);
        Box::pin(async move {
            match arguments.uri.starts_with("memory:") {
                true => Ok(plugin().library.open_pool(arguments).await?.into()),
                false => Err(Error::invalid("no plugin has this scheme")),
            }
        })
    }

    fn check(&self, _spec: &PoolSpec) -> Result<(), String> {
        Ok(())
    }

    fn identity(&self, uri: &str) -> String {
        uri.to_owned()
    }

    fn default_identity(&self) -> Option<String> {
        Some("memory:".to_owned())
    }

    fn shown(&self, spec: &PoolSpec) -> PoolSpec {
        spec.clone()
    }

    fn meant(&self, sent: PoolSpec, _stored: Option<&PoolSpec>) -> Result<PoolSpec, String> {
        Ok(sent)
    }
}
