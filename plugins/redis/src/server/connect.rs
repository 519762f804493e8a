//! Making connections: to one server, through Sentinels, to a cluster; with TLS or without.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, PubSub};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates, TlsMode,
};
use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{Error, Result, tracing};

use super::lines::{self, Link};
use super::slots::Owners;
use super::{refusal, report};
use crate::error::{self, Failure};
use crate::settings::Settings;
use crate::uri::{Address, Kind, Servers, User};

/// The part of the time to connect that the cluster's client has for one node. It asks the nodes that are
/// named, and then all of the cluster, each time all at once: one that hangs must not use up the time of both.
const NODES_PART: u32 = 3;

/// How long nothing may be heard of a server before its machine is asked whether it is still there, and how
/// often it is asked again.
const IDLE: Duration = Duration::from_secs(10);
/// The least that a machine is given to acknowledge what it was sent: a packet that is lost is sent again.
const LEAST: Duration = Duration::from_secs(1);

/// Knows how to connect.
pub struct Connector {
    servers: Servers,
    certificates: Option<TlsCertificates>,
    patience: Duration,
    answer_within: Duration,
}

impl Connector {
    /// Reads what connecting takes.
    ///
    /// # Errors
    /// `Invalid`: a file of the settings cannot be read.
    pub fn new(servers: Servers, settings: &Settings) -> Result<Connector> {
        // Ring serves every rustls in this library; whoever comes second finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificates = if servers.tls { certificates(settings)? } else { None };
        Ok(Connector { servers, certificates, patience: settings.connect_timeout(), answer_within: settings.timeout() })
    }

    /// Whether keys lie on several nodes.
    pub fn is_cluster(&self) -> bool {
        matches!(self.servers.kind, Kind::Cluster(_))
    }

    /// Whether another server can take over from the one that answers now.
    pub fn fails_over(&self) -> bool {
        matches!(self.servers.kind, Kind::Sentinel { .. })
    }

    /// Looks at what answers: a single server may be a node of a cluster, or too old, or a replica.
    ///
    /// # Errors
    /// `Invalid`: it cannot be a pool. `Unavailable`: nothing answers, or no master.
    pub async fn recognise(&mut self) -> Result<()> {
        let link = self.connect().await.map_err(|failure| failure.at(&self.servers))?;
        let said = report::identity(link, self.patience).await?;
        if let Some(version) = said.version.filter(|version| *version < report::OLDEST) {
            let ((major, minor), (least, least_minor)) = (version, report::OLDEST);
            let text = format!("the server is Redis {major}.{minor}; {least}.{least_minor} or newer is needed");
            return Err(Error::invalid(text));
        }
        let is_cluster = said.mode.as_deref() == Some("cluster");
        if said.is_replica && !is_cluster {
            return Err(error::is_replica().at(&self.servers));
        }
        match (said.mode.as_deref(), &self.servers.kind) {
            (Some("sentinel"), _) => Err(Error::invalid("the uri names a Sentinel; add master=NAME")),
            (Some("standalone"), Kind::Cluster(_)) => {
                Err(Error::invalid("the server is not in a cluster; leave cluster=true out"))
            }
            (Some("cluster"), Kind::One(address)) if self.servers.database == 0 => {
                tracing::info!("the server is a node of a cluster, which is used as a whole");
                self.servers.kind = Kind::Cluster(vec![address.clone()]);
                Ok(())
            }
            (Some("cluster"), Kind::One(_)) => Err(Error::invalid("a cluster has database 0 alone")),
            _ => Ok(()),
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// `Unavailable`: it cannot be reached, or refuses us.
    pub async fn connect(&self) -> Result<Link, Failure> {
        let connecting = async {
            match &self.servers.kind {
                Kind::Cluster(nodes) => self.cluster(nodes).await,
                _ => self.one().await,
            }
        };
        match timeout(self.patience, connecting).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) if lines::is_lost(&error) => {
                let heard = refusal::heard(&self.servers).await;
                Err(heard.map_or_else(|| error::not_connected(&error), |words| error::turned_away(&words)))
            }
            Ok(Err(error)) => Err(error::not_connected(&error)),
            Err(_) => {
                let text = format!("no connection within {} ms", self.patience.as_millis());
                Err(Failure::of(error::unreachable(text)))
            }
        }
    }

    async fn one(&self) -> Result<Link, RedisError> {
        let client = self.client().await?;
        // Waiting for answers is ours to bound.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(self.patience)).set_response_timeout(None);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        // Strangers may not send long commands: the server hangs up then, and what it says may get lost.
        let known = connection.req_packed_command(&redis::cmd("PING")).await?.extract_error();
        match known {
            Err(error) if error.code() == Some("NOAUTH") => Err(error),
            _ => Ok(Link::One(connection)),
        }
    }

    async fn client(&self) -> Result<Client, RedisError> {
        match &self.servers.kind {
            Kind::One(address) => self.client_of(address),
            Kind::Socket(path) => {
                let info = ConnectionAddr::Unix(path.clone()).into_connection_info()?;
                Client::open(info.set_redis_settings(self.identity()))
            }
            Kind::Sentinel { sentinels, master, user } => self.master(sentinels, master, user).await,
            Kind::Cluster(nodes) => self.any_node(nodes).await,
        }
    }

    fn client_of(&self, address: &Address) -> Result<Client, RedisError> {
        let info = self.info(address)?;
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }

    /// The first node that can be connected to.
    async fn any_node(&self, nodes: &[Address]) -> Result<Client, RedisError> {
        let mut failed = None;
        for node in nodes {
            let client = self.client_of(node)?;
            match client.get_multiplexed_async_connection().await {
                Ok(_) => return Ok(client),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| RedisError::from((redis::ErrorKind::InvalidClientConfig, "no node is named"))))
    }

    /// Asks anew at each connection: the master may be another by now.
    async fn master(&self, sentinels: &[Address], master: &str, user: &User) -> Result<Client, RedisError> {
        let addresses = sentinels.iter().map(|sentinel| self.address(sentinel));
        let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
            .set_client_to_redis_db(self.servers.database)
            .set_client_to_redis_tcp_settings(self.tcp())
            .set_client_to_sentinel_tcp_settings(self.tcp());
        if let Some(name) = &self.servers.user.name {
            builder = builder.set_client_to_redis_username(name);
        }
        if let Some(password) = &self.servers.user.password {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(name) = &user.name {
            builder = builder.set_client_to_sentinel_username(name);
        }
        if let Some(password) = &user.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if self.servers.tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        builder.build()?.async_get_client().await
    }

    async fn cluster(&self, nodes: &[Address]) -> Result<Link, RedisError> {
        let infos = nodes.iter().map(|node| self.info(node)).collect::<Result<Vec<_>, _>>()?;
        let mut builder = ClusterClientBuilder::new(infos)
            .connection_timeout(self.patience / NODES_PART)
            .response_timeout(self.answer_within)
            .tcp_settings(self.tcp())
            // What broke may have taken effect: who called knows what may be done again. Where data are
            // moved is learned all the same.
            .retries(0);
        if let Some(name) = &self.servers.user.name {
            builder = builder.username(name);
        }
        if let Some(password) = &self.servers.user.password {
            builder = builder.password(password);
        }
        if self.servers.tls {
            builder = builder.tls(TlsMode::Secure);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder.certs(certificates.clone());
        }
        let mut connection = builder.build()?.get_async_connection().await?;
        let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let slots = connection.route_command(command, any).await?.extract_error()?;
        Ok(Link::Cluster(connection, Arc::new(Owners::read(&slots))))
    }

    fn info(&self, address: &Address) -> Result<ConnectionInfo, RedisError> {
        let info = self.address(address).into_connection_info()?;
        Ok(info.set_redis_settings(self.identity()).set_tcp_settings(self.tcp()))
    }

    /// A machine that vanishes closes no connection. The kernel gives one up when what was sent is not
    /// acknowledged within the time of an answer, so that nothing arrives long after it was given up here.
    fn tcp(&self) -> TcpSettings {
        let keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(IDLE);
        TcpSettings::default().set_keepalive(keepalive).set_user_timeout(self.answer_within.max(LEAST))
    }

    fn address(&self, address: &Address) -> ConnectionAddr {
        let (host, port) = (address.host.clone(), address.port);
        if self.servers.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    fn identity(&self) -> RedisConnectionInfo {
        let mut identity = RedisConnectionInfo::default().set_db(self.servers.database);
        if let Some(name) = &self.servers.user.name {
            identity = identity.set_username(name);
        }
        if let Some(password) = &self.servers.user.password {
            identity = identity.set_password(password);
        }
        identity
    }
}

/// A connection that hears what is published on a channel.
///
/// # Errors
/// `Unavailable`: none can be made.
pub async fn subscribe(connector: &Connector, channel: &str) -> Result<PubSub> {
    let subscribing = async {
        let mut hears = connector.client().await?.get_async_pubsub().await?;
        hears.subscribe(channel).await?;
        Ok::<_, RedisError>(hears)
    };
    match timeout(connector.patience, subscribing).await {
        Ok(subscribed) => subscribed.map_err(|error| error::not_connected(&error).into_error()),
        Err(_) => Err(error::unreachable("subscribing takes too long")),
    }
}

fn certificates(settings: &Settings) -> Result<Option<TlsCertificates>> {
    let read = |path: &str, name: &str| {
        let text = format!("the file of {name} cannot be read; check the path and its permissions");
        std::fs::read(path).map_err(|error| Error::invalid(text).detail(error))
    };
    let root_cert = match settings.ca_file.as_str() {
        "" => None,
        path => Some(read(path, "ca_file")?),
    };
    let client_tls = match settings.cert_file.as_str() {
        "" => None,
        path => Some(ClientTlsConfig {
            client_cert: read(path, "cert_file")?,
            client_key: read(&settings.key_file, "key_file")?,
        }),
    };
    let any = root_cert.is_some() || client_tls.is_some();
    Ok(any.then_some(TlsCertificates { client_tls, root_cert }))
}
