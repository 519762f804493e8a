//! The settings, section by section. The doc comments are the operator's reference: from them, the
//! defaults and the ranges come `sukkal config schema` and `docs/config.md`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sukkal_core::{Api, Limits, Notifications, OnError};
use sukkal_plugin_sdk::Action;
use tracing_subscriber::filter::LevelFilter;

use super::level::{self, Level};
use super::tls::read_apart;
use super::{Located, Origin, Secret, Settings, Tls, seconds};

/// Every setting, valid.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, default, title = "Sukkal", description = "The settings of a Sukkal host.")]
pub struct Config {
    /// The directory in which plugins keep their files; relative paths in URIs are below it. It is
    /// itself relative to the working directory, and made if it is not there, for its user alone.
    #[schemars(length(min = 1))]
    pub data_dir: PathBuf,
    /// The directories in which plugins are looked for. Without it: `../lib/sukkal/plugins` as seen from
    /// the program, where a package puts them, else the directory of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_dirs: Option<Vec<Located<PathBuf>>>,
    /// The URI of the catalog, in which queues are recorded. Its scheme names the plugin.
    pub catalog: Located<String>,
    /// The URI of the pool for the messages of queues without a flavor; "" for none.
    #[serde(serialize_with = "or_empty")]
    pub default_pool: Option<Located<String>>,
    /// The filters in use, by name, in the order in which requests pass them.
    pub pipeline: Vec<Located<String>>,
    /// How long requests may go on when the host is told to stop, in seconds.
    #[serde(with = "seconds")]
    #[schemars(with = "u64", range(max = 3600))]
    pub shutdown_grace: Duration,
    /// How long the host goes on serving once it is told to stop, in seconds: time for balancers to
    /// see that it is not ready any more.
    #[serde(with = "seconds")]
    #[schemars(with = "u64", range(max = 3600))]
    pub shutdown_delay: Duration,
    /// The REST transport.
    pub rest: Rest,
    /// Metrics and health, for operators.
    pub admin: Admin,
    /// The websocket transport.
    pub websocket: Websocket,
    /// Switches of the API.
    pub api: Api,
    /// Limits on what requests may ask for, by the names that Zaqar gives them.
    pub limits: Limits,
    /// Signed URLs, by which clients let others use some of a queue's paths.
    pub signed_urls: SignedUrls,
    /// Whom clients may subscribe.
    pub notifications: Notifications,
    /// Use by pages of other origins, in browsers.
    pub cors: Cors,
    /// How filters are used, each under its name. Beside these keys a filter has settings of its own.
    pub filters: BTreeMap<String, FilterConfig>,
    /// The settings of plugins that provide stores or notifiers, each under the plugin's name.
    #[serde(serialize_with = "unseen")]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub plugins: BTreeMap<String, Settings>,
    /// What is logged, on standard error.
    pub log: Log,
}

/// The REST transport.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rest {
    /// Where it listens: an IP address and a port.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// TLS, which clients then have to speak.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "read_apart")]
    #[schemars(with = "Tls")]
    pub tls: Option<Tls>,
    /// How many connections there may be at once; further ones are refused with 503.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: u32,
    /// How long nothing may move on a connection, in seconds; then it is closed.
    #[serde(with = "seconds")]
    #[schemars(with = "u64", range(min = 1, max = 86_400))]
    pub idle_timeout: Duration,
    /// How long a request's body may take to arrive, in seconds.
    #[serde(with = "seconds")]
    #[schemars(with = "u64", range(min = 1, max = 86_400))]
    pub body_timeout: Duration,
    /// How many bytes of answers of 64 KiB and more all clients together may leave unread; with more such pages are
    /// refused with 503, and connections are closed whose clients do not read on.
    #[schemars(range(min = 1_048_576, max = 1_099_511_627_776_u64))]
    pub max_unread_total: u64,
}

/// Metrics and health, for operators.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where they are read: an IP address and a port; "" for nowhere. Whoever reaches it needs no
    /// identity.
    #[serde(serialize_with = "address_or_empty", deserialize_with = "address_or_none::<8889, _>")]
    #[schemars(with = "String")]
    pub listen: Option<SocketAddr>,
}

/// Signed URLs.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignedUrls {
    /// The key by which URLs are signed, the same on all hosts. Without one no URL can be shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Secret")]
    pub secret_key: Option<Secret>,
}

/// The websocket transport.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Websocket {
    /// Where it listens: an IP address and a port; "" for no websocket.
    #[serde(serialize_with = "address_or_empty", deserialize_with = "address_or_none::<9000, _>")]
    #[schemars(with = "String")]
    pub listen: Option<SocketAddr>,
    /// TLS, which clients then have to speak.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "read_apart")]
    #[schemars(with = "Tls")]
    pub tls: Option<Tls>,
    /// How many connections there may be at once; further ones are refused.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: u32,
    /// How long a client may be silent, not even answering a ping, or read nothing of what is there
    /// for it, in seconds; then its connection is closed.
    #[serde(with = "seconds")]
    #[schemars(with = "u64", range(min = 2, max = 86_400))]
    pub idle_timeout: Duration,
    /// After how much silence a client is pinged, in seconds; less than `idle_timeout`.
    #[serde(with = "seconds")]
    #[schemars(with = "u64", range(min = 1, max = 86_400))]
    pub ping_interval: Duration,
    /// How many bytes of answers a client may leave unread; with more its connection is closed. The default is
    /// more than a page of the longest messages that MessagePack can make of the default limits: 30 MiB.
    #[schemars(range(min = 65_536, max = 1_073_741_824))]
    pub max_unread: u32,
    /// How many bytes of answers all clients together may leave unread, beside 64 KiB of each; with more the connections
    /// that ask for more are closed, and those that have left more unread.
    #[schemars(range(min = 1_048_576, max = 1_099_511_627_776_u64))]
    pub max_unread_total: u64,
}

/// Use by pages of other origins.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// The origins whose pages may use the API, for instance "https://app.example.org"; "*" for all,
    /// which browsers then refuse credentials. None: no page of another origin can, neither over REST nor
    /// over the websocket.
    #[serde(deserialize_with = "origins")]
    pub allowed_origin: Vec<String>,
}

/// How a filter is used.
#[derive(Serialize, JsonSchema)]
#[schemars(default)]
pub struct FilterConfig {
    /// How long each of its hooks may take, in seconds.
    #[serde(with = "seconds")]
    #[schemars(with = "u64", range(min = 1, max = 3600))]
    pub timeout: Duration,
    /// What becomes of a request when the filter fails or takes too long. The host refuses "pass" for a filter that takes
    /// part in authenticating, since everybody would be let in while it fails, as whoever they say they are. Never "pass"
    /// for one that authorizes either: while it fails, everybody may do everything.
    pub on_error: OnError,
    /// Whether its code blocks: its hooks then run on threads of the plugin's, and hold none of the
    /// host's.
    pub isolate: bool,
    /// The projects that it is for; none named: all.
    pub projects: Vec<String>,
    /// The queues and topics that it is for, as patterns (`*`, `?`) of their names; a queue and a topic of one name
    /// are both meant. A request that names neither is meant where a pattern fits no letters, as `*` does. None
    /// named: all.
    #[serde(serialize_with = "patterns")]
    #[schemars(with = "Vec<String>")]
    pub queues: Vec<glob::Pattern>,
    /// The actions that it is for, such as "message_post"; a topic's messages and subscriptions have the actions of a
    /// queue's. None named: all. Who a client is, a filter is asked of every request, whatever is named here or in
    /// `projects` and `queues`.
    #[serde(serialize_with = "action_names")]
    #[schemars(schema_with = "actions")]
    pub actions: Vec<Action>,
    /// Its own settings.
    #[serde(skip)]
    pub settings: Settings,
    /// Where its section stands.
    #[serde(skip)]
    pub origin: Origin,
}

/// What is logged, and how.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The most detailed level of the host, and of plugins for which nothing else is said.
    #[serde(with = "level")]
    #[schemars(with = "Level")]
    pub level: LevelFilter,
    /// The form of the lines.
    pub format: Format,
    /// The most detailed level of single plugins, by the plugins' names.
    #[serde(with = "level::by_name")]
    #[schemars(with = "BTreeMap<String, Level>")]
    pub plugins: BTreeMap<String, Located<LevelFilter>>,
}

/// The form of the log's lines.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        let located = |uri: &str| Located { value: uri.to_owned(), origin: Origin::Default };
        Config {
            data_dir: PathBuf::from("sukkal-data"),
            plugin_dirs: None,
            catalog: located("sqlite:catalog.db"),
            default_pool: Some(located("sqlite:pool.db")),
            pipeline: Vec::new(),
            shutdown_grace: Duration::from_secs(30),
            shutdown_delay: Duration::ZERO,
            rest: Rest::default(),
            admin: Admin::default(),
            websocket: Websocket::default(),
            api: Api::default(),
            limits: Limits::default(),
            signed_urls: SignedUrls::default(),
            notifications: Notifications::default(),
            cors: Cors::default(),
            filters: BTreeMap::new(),
            plugins: BTreeMap::new(),
            log: Log::default(),
        }
    }
}

impl Default for Rest {
    fn default() -> Self {
        Rest {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8888)),
            tls: None,
            max_connections: 10_000,
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            max_unread_total: 256 * 1024 * 1024,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Admin { listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8889))) }
    }
}

impl Default for Websocket {
    fn default() -> Self {
        Websocket {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9000))),
            tls: None,
            max_connections: 10_000,
            idle_timeout: Duration::from_secs(600),
            ping_interval: Duration::from_secs(30),
            max_unread: 32 * 1024 * 1024,
            max_unread_total: 256 * 1024 * 1024,
        }
    }
}

impl Default for FilterConfig {
    fn default() -> Self {
        FilterConfig {
            timeout: Duration::from_secs(5),
            on_error: OnError::Refuse,
            isolate: false,
            projects: Vec::new(),
            queues: Vec::new(),
            actions: Vec::new(),
            settings: Settings::default(),
            origin: Origin::Default,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: LevelFilter::INFO, format: Format::Text, plugins: BTreeMap::new() }
    }
}

impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

fn or_empty<S: Serializer>(uri: &Option<Located<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(uri.as_ref().map_or("", |uri| &uri.value))
}

/// Plugins' settings hold secrets in clear.
fn unseen<S: Serializer>(_: &BTreeMap<String, Settings>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(std::iter::empty::<((), ())>())
}

fn patterns<S: Serializer>(patterns: &[glob::Pattern], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(patterns.iter().map(glob::Pattern::as_str))
}

fn action_names<S: Serializer>(actions: &[Action], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(actions.iter().map(|action| action.name()))
}

fn actions(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    json_schema!({ "type": "array", "items": { "type": "string", "enum": names } })
}

fn address_or_empty<S: Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&address.map(|address| address.to_string()).unwrap_or_default())
}

/// `PORT`: the one that is told for instance.
fn address_or_none<'de, const PORT: u16, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wanted = format_args!("must be an IP address and a port, for instance \"127.0.0.1:{PORT}\", or \"\" for none");
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| D::Error::custom(wanted)) }
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let origins = Vec::<String>::deserialize(deserializer)?;
    match origins.iter().find(|origin| !is_origin(origin)) {
        None => Ok(origins),
        Some(wrong) => Err(D::Error::custom(format!(
            "has {wrong:?}, and must have origins as browsers send them: scheme and host, with a port where it is not \
             the scheme's own, in lower case and without a path, for instance \"https://app.example.org\"; or \"*\""
        ))),
    }
}

fn is_origin(text: &str) -> bool {
    let sound = |name: &str| {
        !name.is_empty() && !name.contains(|sign: char| "/?#@* ".contains(sign) || sign.is_ascii_uppercase())
    };
    // Browsers leave out the port that is the scheme's own.
    let told = |scheme: &str, authority: &str| match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => {
            port.parse::<u16>().is_ok_and(|port| ![("http", 80), ("https", 443)].contains(&(scheme, port)))
        }
        _ => true,
    };
    let is_named = |(scheme, host): (&str, &str)| sound(scheme) && sound(host) && told(scheme, host);
    text == "*" || text.split_once("://").is_some_and(is_named)
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wanted = "must be an IP address and a port, for instance \"127.0.0.1:8888\"";
    text.parse().map_err(|_| D::Error::custom(wanted))
}
