//! `sukkal serve`: from valid settings to a running host, and to its end.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sukkal_core::{Engine, Parts, Reloadable, UrlSigner};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::{Config, Mistake};
use crate::plugin::{self, Registry, Services};
use crate::shutdown::{self, Signals, Stopper};
use crate::transport::Connections;
use crate::transport::rest::{Rest, server};

/// Why the host did not start. Each line tells one thing.
#[derive(Debug)]
pub enum StartError {
    /// The settings do not fit the plugins, or something they name cannot be opened.
    Settings(Vec<Mistake>),
    /// The system refuses something.
    System(String),
    /// A store or a filter cannot be opened.
    Opening(Vec<Mistake>),
}

impl StartError {
    /// The status with which the program ends.
    pub fn status(&self) -> u8 {
        match self {
            StartError::Settings(_) => 2,
            StartError::System(_) | StartError::Opening(_) => 1,
        }
    }
}

impl From<Vec<Mistake>> for StartError {
    fn from(mistakes: Vec<Mistake>) -> Self {
        StartError::Settings(mistakes)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::System(line) => f.write_str(line),
            StartError::Settings(mistakes) | StartError::Opening(mistakes) => {
                let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

/// Runs the host until a signal ends it.
///
/// # Errors
/// See [`StartError`].
pub async fn serve(config: Config) -> Result<(), StartError> {
    let mut signals =
        Signals::new().map_err(|error| StartError::System(format!("signals cannot be handled: {error}")))?;
    let services = Services::start(&config.log);
    let registry = load(&config, services)?;
    plugin::check(&config, &registry)?;
    prepare(&config.data_dir)?;
    // Before the stores are opened: a second host of the same settings should fail here.
    let listener = listen(&config).await?;
    let engine = tokio::select! {
        engine = start(&config, &registry, services) => engine.map_err(StartError::Opening)?,
        _ = signals.next() => return Ok(()),
    };
    let (stopper, stop) = shutdown::channel();
    let rest = Rest { engine: engine.clone(), body_timeout: config.rest.body_timeout };
    let connections = Connections { max: limited(config.rest.max_connections), setting: "rest.max_connections" };
    let address = listener.local_addr().unwrap_or(config.rest.listen);
    let server =
        tokio::spawn(server::run(listener, Arc::new(rest).filter(), connections, config.rest.idle_timeout, stop));
    announce(&config, address);
    let signal = signals.next().await;
    tracing::info!(signal, "stopping");
    tokio::select! {
        () = end(&config, &stopper, server, &engine) => tracing::info!("stopped"),
        signal = signals.next() => tracing::warn!(signal, "ended at once"),
    }
    Ok(())
}

/// Loads the plugins, and tells which files were none.
fn load(config: &Config, services: &'static Services) -> Result<Registry, Vec<Mistake>> {
    let registry = Registry::load(&plugin::candidates(config)?, services)?;
    for refusal in registry.refused() {
        tracing::warn!("{refusal}");
    }
    for library in registry.libraries() {
        let manifest = library.manifest();
        tracing::info!(plugin = manifest.name, version = manifest.version, path = %library.path().display(), "loaded");
    }
    Ok(registry)
}

fn prepare(data_dir: &Path) -> Result<(), StartError> {
    let probe = data_dir.join(format!(".sukkal-{}", std::process::id()));
    let made = std::fs::create_dir_all(data_dir)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe));
    made.map_err(|error| {
        StartError::System(format!(
            "data_dir {} cannot be written to: {error}; check its permissions",
            data_dir.display()
        ))
    })
}

async fn listen(config: &Config) -> Result<TcpListener, StartError> {
    let address = config.rest.listen;
    TcpListener::bind(address).await.map_err(|error| {
        StartError::System(format!("cannot listen on {address}: {error}; end what uses it, or set rest.listen"))
    })
}

async fn start(config: &Config, registry: &Registry, services: &'static Services) -> Result<Arc<Engine>, Vec<Mistake>> {
    let host_id = format!("{:032x}", rand::random::<u128>());
    let opened = plugin::open(config, registry, &host_id).await?;
    Ok(Engine::start(Parts {
        catalog: opened.catalog,
        default_pool: opened.default_pool,
        reloadable: Reloadable {
            filters: opened.filters,
            services: opened.services,
            limits: config.limits.clone(),
            api: config.api.clone(),
            url_signer: config.signed_urls.secret_key.as_ref().and_then(|key| UrlSigner::new(key.reveal())),
        },
        clock: Arc::new(move || services.now()),
        host_id,
    }))
}

/// Each connection is an open file; stores and plugins need some as well.
fn limited(max: u32) -> u32 {
    const OTHERS: u64 = 128;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    let Some(room) = files.map(|files| u32::try_from(files.saturating_sub(OTHERS)).unwrap_or(u32::MAX).max(1)) else {
        return max;
    };
    if room < max {
        tracing::warn!(
            max_connections = room,
            "the system allows fewer open files than rest.max_connections asks for; raise `ulimit -n`"
        );
    }
    max.min(room)
}

fn announce(config: &Config, address: std::net::SocketAddr) {
    let pool = config.default_pool.as_ref().map_or("none", |pool| without_password(&pool.value));
    let filters: Vec<&str> = config.pipeline.iter().map(|name| name.value.as_str()).collect();
    let catalog = without_password(&config.catalog.value);
    tracing::info!(catalog, pool, filters = filters.join(", "), "listening on http://{address}");
}

/// A URI may hold a password between scheme and host; then only the scheme is shown.
fn without_password(uri: &str) -> &str {
    if uri.contains('@') { uri.split_once(':').map_or("", |(scheme, _)| scheme) } else { uri }
}

async fn end(config: &Config, stopper: &Stopper, server: JoinHandle<()>, engine: &Engine) {
    engine.end_waits();
    stopper.stop();
    if tokio::time::timeout(config.shutdown_grace, server).await.is_err() {
        tracing::warn!(grace = config.shutdown_grace.as_secs(), "some connections did not end in time and are cut");
    }
    engine.shutdown().await;
}
