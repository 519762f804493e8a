//! `sukkal serve`: from valid settings to a running host, and to its end.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sukkal_core::{Engine, Parts};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet, block_in_place, spawn_blocking};

use crate::admin::Admin;
use crate::config::{Config, Mistake, Origin, masked_uri};
use crate::metrics::Metrics;
use crate::open_files::{self, Room};
use crate::plugin::{self, PoolPlugins, Registry, Services};
use crate::running::{Running, TlsListeners, reloadable};
use crate::shutdown::{self, Order, Signals, Stop, Stopper};
use crate::supervisor::Supervisor;
use crate::tls_client;
use crate::transport::rest::cors::Cors;
use crate::transport::rest::{Rest, server};
use crate::transport::{Connections, Origins, Unread, ws};
use crate::watchdog::Watchdog;

/// Why the host did not start.
#[derive(Debug)]
pub enum StartError {
    /// The settings do not fit the plugins, or something they name cannot be opened.
    Settings(Vec<Mistake>),
    /// The system refuses something.
    System(String),
    /// A store or a filter cannot be opened.
    Opening(Vec<Mistake>),
}

impl From<Vec<Mistake>> for StartError {
    fn from(mistakes: Vec<Mistake>) -> Self {
        StartError::Settings(mistakes)
    }
}

/// Runs the host until a signal ends it. `read` reads the settings anew.
///
/// # Errors
/// See [`StartError`].
pub async fn serve<R>(config: Config, read: R) -> Result<(), StartError>
where
    R: Fn() -> Result<Config, Vec<Mistake>> + Clone + Send + 'static,
{
    let mut signals =
        Signals::new().map_err(|error| StartError::System(format!("signals cannot be handled: {error}")))?;
    let watchdog = Watchdog::start();
    let watchdog = watchdog.map_err(|error| StartError::System(format!("a thread cannot be started: {error}")))?;
    let metrics = Metrics::new(config.admin.listen.is_some());
    let metrics = metrics.map_err(|error| StartError::System(format!("metrics cannot be set up: {error}")))?;
    let metrics = Arc::new(metrics);
    open_files::raise();
    if let Err(wrong) = tls_client::check_trusted() {
        tracing::warn!("{wrong}");
    }
    let services = Services::start(&config, Some(metrics.clone()));
    let registry = find(&config, services)?;
    // Plugins may take their time: other tasks of this thread go on elsewhere.
    block_in_place(|| plugin::check(&config, &registry))?;
    prepare(&config.data_dir)?;
    // Before the stores are opened: a second host of the same settings should fail here.
    let listener = listen(config.rest.listen, "rest.listen").await?;
    let websocket = match config.websocket.listen {
        Some(address) => Some(listen(address, "websocket.listen").await?),
        None => None,
    };
    let admin = Admin::new(metrics.clone());
    let (admin_stopper, admin_stop) = shutdown::channel();
    let admin_server = serve_admin(&config, &admin, &metrics, admin_stop).await?;
    let running = tokio::select! {
        running = start(config, registry, services, metrics) => running.map_err(StartError::Opening)?,
        _ = signals.stop() => return Ok(()),
    };
    let (stopper, stop) = shutdown::channel();
    let servers = serve_clients(listener, websocket, &running, stop);
    admin.started(running.clone());
    let supervisor = Supervisor::of_this_process();
    let signal = obey(&mut signals, &running, &supervisor, read).await;
    let in_force = running.in_force();
    // Before anything is written: nobody may read the log any more.
    watchdog.ending(in_force.shutdown_delay + in_force.shutdown_grace);
    tracing::info!(signal, "stopping");
    supervisor.stopping();
    let ending = async {
        admin.stopping();
        end(&running, &stopper, servers).await;
        admin_stopper.stop();
        let _ = tokio::time::timeout(LAST_PAGES, admin_server).await;
    };
    tokio::select! {
        () = ending => tracing::info!("stopped"),
        signal = signals.stop() => tracing::warn!(signal, "ended at once"),
    }
    Ok(())
}

/// How many programs may read the admin pages at once.
const ADMIN_CONNECTIONS: u32 = 64;
/// How long nothing may move on a connection of theirs.
const ADMIN_IDLE: Duration = Duration::from_secs(60);
/// How long the last pages may take, once all else has ended.
const LAST_PAGES: Duration = Duration::from_secs(1);

/// How long connections may take to end that are cut: claims of which their clients were not told
/// are given back with them.
const LAST_CUTS: Duration = Duration::from_secs(2);

/// Serves the admin pages, if they have a listener.
async fn serve_admin(
    config: &Config,
    admin: &Arc<Admin>,
    metrics: &Metrics,
    stop: Stop,
) -> Result<JoinHandle<()>, StartError> {
    let Some(address) = config.admin.listen else { return Ok(tokio::spawn(async {})) };
    let listener = listen(address, "admin.listen").await?;
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!("metrics and health at http://{address}");
    let meter = metrics.connections("admin");
    let connections = Connections::new(ADMIN_CONNECTIONS, "64 for admin.listen", meter);
    // No page of these is long.
    let terms = server::Terms { idle: ADMIN_IDLE, unread: Unread::new(usize::MAX) };
    Ok(tokio::spawn(server::run(listener, admin.clone().filter(), connections, terms, stop)))
}

/// Serves clients, over every transport.
fn serve_clients(
    listener: TcpListener,
    websocket: Option<TcpListener>,
    running: &Arc<Running>,
    stop: Stop,
) -> JoinSet<()> {
    let config = &running.started;
    let mut servers = JoinSet::new();
    let websockets = if websocket.is_some() { config.websocket.max_connections } else { 0 };
    let Room { of_each: [max, max_websockets], of_all } = open_files::room([config.rest.max_connections, websockets]);
    if let Some(listener) = websocket {
        let meter = running.metrics.connections("websocket");
        let connections = Connections::new(max_websockets, "websocket.max_connections", meter);
        let connections = Connections { of_all: of_all.clone(), tls: running.tls.websocket.clone(), ..connections };
        serve_websocket(&mut servers, listener, connections, running, stop.clone());
    }
    let unread = Unread::new(usize::try_from(config.rest.max_unread_total).unwrap_or(usize::MAX));
    let rest = Rest {
        engine: running.engine.clone(),
        body_timeout: config.rest.body_timeout,
        cors: Cors::new(Origins::new(&config.cors.allowed_origin)),
        unread: unread.clone(),
    };
    let terms = server::Terms { idle: config.rest.idle_timeout, unread };
    let connections = Connections::new(max, "rest.max_connections", running.metrics.connections("rest"));
    let connections = Connections { of_all, tls: running.tls.rest.clone(), ..connections };
    let address = listener.local_addr().unwrap_or(config.rest.listen);
    servers.spawn(server::run(listener, Arc::new(rest).filter(), connections, terms, stop));
    announce(config, address);
    servers
}

fn serve_websocket(
    servers: &mut JoinSet<()>,
    listener: TcpListener,
    connections: Connections,
    running: &Arc<Running>,
    stop: Stop,
) {
    let config = &running.started.websocket;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("websockets at {}://{address}", if config.tls.is_some() { "wss" } else { "ws" });
    }
    let limits = ws::Limits {
        max_unread: config.max_unread as usize,
        idle_timeout: config.idle_timeout,
        ping_interval: config.ping_interval,
    };
    servers.spawn(ws::server::run(
        listener,
        running.host_id.clone(),
        running.engine.clone(),
        connections,
        ws::server::Terms {
            limits,
            unread: Unread::new(usize::try_from(config.max_unread_total).unwrap_or(usize::MAX)),
            origins: Origins::new(&running.started.cors.allowed_origin),
        },
        stop,
    ));
}

/// Does what signals say, until one of them says to stop.
async fn obey(
    signals: &mut Signals,
    running: &Running,
    supervisor: &Supervisor,
    read: impl Fn() -> Result<Config, Vec<Mistake>> + Clone + Send + 'static,
) -> &'static str {
    supervisor.ready("serving");
    loop {
        match signals.next().await {
            Order::Stop(signal) => return signal,
            Order::Reload => {
                supervisor.reloading();
                let done = tokio::select! {
                    done = reload(running, read.clone()) => done,
                    signal = signals.stop() => return signal,
                };
                supervisor.ready(if done { "serving" } else { "serving; the last reload was refused: see the log" });
            }
        }
    }
}

/// How long reading the settings anew may take.
const READING: Duration = Duration::from_secs(30);

/// Reads the settings on a thread of its own, since a file may be on a disk that does not answer, and puts them in force.
async fn reload<R>(running: &Running, read: R) -> bool
where
    R: FnOnce() -> Result<Config, Vec<Mistake>> + Send + 'static,
{
    let failed = |problem: String| {
        Err(vec![Mistake::new(&Origin::Default, "", problem, "see to the files that hold them, and to their disk")])
    };
    let read = match tokio::time::timeout(READING, spawn_blocking(read)).await {
        Ok(Ok(read)) => read,
        Ok(Err(panic)) => failed(format!("the settings cannot be read: {panic}")),
        Err(_) => failed(format!("the settings were not read within {} s", READING.as_secs())),
    };
    running.reload(read).await
}

/// Finds the plugins, and tells which files were none.
fn find(config: &Config, services: &'static Services) -> Result<Registry, Vec<Mistake>> {
    let registry = Registry::find_all(&plugin::candidates(config)?, services)?;
    for refusal in registry.refusals() {
        tracing::warn!("{refusal}");
    }
    for plugin in registry.plugins() {
        let version = plugin.description().version.as_str();
        tracing::info!(plugin = plugin.name(), version, path = %plugin.path().display(), "found");
    }
    Ok(registry)
}

fn prepare(data_dir: &Path) -> Result<(), StartError> {
    let probe = data_dir.join(format!(".sukkal-{}", std::process::id()));
    // Messages are for no other user of the machine.
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe));
    made.map_err(|error| {
        let mend = match error.kind() {
            ErrorKind::PermissionDenied => "let the host's user write there, or set data_dir",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room there, or set data_dir",
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => "a file is in the way: set data_dir to a folder",
            _ => "set data_dir to a folder that can be written to",
        };
        StartError::System(format!("data_dir {} cannot be written to: {error}; {mend}", data_dir.display()))
    })
}

async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        let mend = match error.kind() {
            ErrorKind::AddrInUse => format!("end what uses it, or set {setting}"),
            ErrorKind::AddrNotAvailable => {
                format!("this machine has no such address: set {setting} to one of its own, or to 0.0.0.0 for all")
            }
            ErrorKind::PermissionDenied => {
                format!("ports below 1024 need the right CAP_NET_BIND_SERVICE: give it, or set {setting}")
            }
            _ => format!("set {setting}"),
        };
        StartError::System(format!("cannot listen on {address}: {error}; {mend}"))
    })
}

async fn start(
    config: Config,
    registry: Registry,
    services: &'static Services,
    metrics: Arc<Metrics>,
) -> Result<Arc<Running>, Vec<Mistake>> {
    let host_id = format!("{:032x}", rand::random::<u128>());
    let opened = plugin::open(&config, &registry, &host_id, &metrics).await?;
    let catalog = opened.catalog.clone();
    let (registry, started) = (Arc::new(registry), Arc::new(config));
    let pools = PoolPlugins {
        registry: registry.clone(),
        config: started.clone(),
        host_id: host_id.clone(),
        metrics: metrics.clone(),
    };
    let engine = Engine::start(Parts {
        catalog: opened.catalog,
        default_pool: opened.default_pool,
        pools: Arc::new(pools),
        reloadable: reloadable(&started, opened.pipeline, opened.services),
        clock: Arc::new(move || services.now()),
        observer: metrics.requests(),
        host_id: host_id.clone(),
    });
    engine.compare_default_store().await;
    let tls = TlsListeners::of(&started, &metrics);
    let last = ArcSwap::new(started.clone());
    Ok(Arc::new(Running { engine, registry, started, metrics, services, catalog, host_id, tls, last }))
}

fn announce(config: &Config, address: SocketAddr) {
    let pool = config.default_pool.as_ref().map_or_else(|| "none".to_owned(), |pool| masked_uri(&pool.value));
    let catalog = masked_uri(&config.catalog.value);
    let scheme = if config.rest.tls.is_some() { "https" } else { "http" };
    tracing::info!(catalog, pool, filters = config.filters(), "listening on {scheme}://{address}");
}

/// Readiness has failed already: balancers get time to see it. Then no connection is accepted any
/// more, idle ones are closed, and what is under way is answered within the grace time.
async fn end(running: &Running, stopper: &Stopper, mut servers: JoinSet<()>) {
    let config = running.in_force();
    tokio::time::sleep(config.shutdown_delay).await;
    running.engine.prepare_shutdown();
    stopper.stop();
    let mut all = pin!(async { while servers.join_next().await.is_some() {} });
    if tokio::time::timeout(config.shutdown_grace, all.as_mut()).await.is_err() {
        tracing::warn!(grace = config.shutdown_grace.as_secs(), "some connections did not end in time and are cut");
        stopper.cut();
        let _ = tokio::time::timeout(LAST_CUTS, all).await;
    }
    running.engine.shutdown().await;
}
