//! The certificate of a listener: two files, read and ready for use.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use x509_parser::time::ASN1Time;

use super::mistake::{Mistake, Origin};
use super::raw::Value;
use super::schema;
use super::section::{Located, Section};

/// TLS, which clients then have to speak.
#[derive(Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Tls {
    /// The file of the certificate, in PEM: the host's own first, then those that lead from it to an
    /// authority that clients trust.
    pub cert: PathBuf,
    /// The file of the private key that belongs to the certificate, in PEM, without a passphrase.
    pub key: PathBuf,
    /// Both as they were read.
    #[serde(skip)]
    pub server: Arc<ServerConfig>,
    /// When the first of the certificates ends, in seconds since 1970.
    #[serde(skip)]
    pub ends: Option<i64>,
    /// When the last of them begins.
    #[serde(skip)]
    begins: Option<i64>,
    /// Where `cert` stands.
    #[serde(skip)]
    origin: Origin,
}

impl Tls {
    /// What keeps clients away, though the files are sound: a certificate whose time is over, or has not come.
    pub fn untimely(&self, section: &str) -> Option<Mistake> {
        let now = ASN1Time::now().timestamp();
        let file = self.cert.display();
        let (problem, mend) = match (self.begins, self.ends) {
            (_, Some(ends)) if ends < now => {
                let problem = format!("names the file {file}, a certificate of which ended on {}", day(ends));
                (problem, "clients refuse it: renew it, write it there and reload")
            }
            (Some(begins), _) if begins > now => {
                let problem = format!("names the file {file}, a certificate of which begins on {}", day(begins));
                (problem, "clients refuse it until then: look at this machine's clock, or have one that is in force")
            }
            _ => return None,
        };
        Some(Mistake::new(&self.origin, format!("{section}.tls.cert"), problem, mend))
    }
}

/// A time as people read it.
fn day(seconds: i64) -> String {
    ASN1Time::from_timestamp(seconds).map_or_else(|_| format!("{seconds} s after 1970"), |time| time.to_string())
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("cert", &self.cert).field("key", &self.key).finish_non_exhaustive()
    }
}

/// It is read by [`read`], which says where each mistake stands.
pub fn read_apart<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Tls>, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| None)
}

/// The key `tls` of a listener's section, with the files that it names.
pub fn read(section: &mut Section<'_>) -> Option<Tls> {
    let node = section.table?.get("tls")?;
    let Value::Table(table) = &node.value else {
        section.wrong(&node.origin, "tls", "must be a table", EXAMPLE);
        return None;
    };
    let path = section.path("tls");
    let schema = schema::property(section.schema, "tls");
    if table.get("cert").is_none() || table.get("key").is_none() {
        section.wrong(&node.origin, "tls", "must name two files", EXAMPLE);
        return None;
    }
    let mut own = Section { name: &path, schema, table: Some(table), mistakes: section.mistakes };
    let (cert, key) = (own.get::<PathBuf>("cert"), own.get::<PathBuf>("key"));
    let chain = cert.as_ref().and_then(|cert| told(&mut own, "cert", &cert.origin, chain(&cert.value)));
    let private = key.as_ref().and_then(|key| told(&mut own, "key", &key.origin, private(&key.value)));
    let (Located { value: cert, origin: of_cert }, Located { value: key, origin: of_key }) = (cert?, key?);
    let pair = CertifiedKey::new(chain?, private?);
    match pair.keys_match() {
        // Whether they belong together cannot be told of every kind of key.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            let problem = format!("is the key of another certificate than the first one of {}", cert.display());
            own.wrong(&of_key, "key", problem, "name the key with which that certificate was requested");
            return None;
        }
        Err(error) => {
            let problem = format!("names the file {}, whose certificate cannot be read: {error}", cert.display());
            own.wrong(&of_cert, "cert", problem, "write it anew, as its authority gave it: X.509 of version 3, in PEM");
            return None;
        }
    }
    // Clients break off at any of them that they cannot read.
    let times: Option<Vec<(i64, i64)>> = pair.cert.iter().map(times).collect();
    let Some(times) = times else {
        let problem = format!("names the file {}, a certificate of which cannot be read", cert.display());
        own.wrong(&of_cert, "cert", problem, "write the whole file anew, as its authority gave it");
        return None;
    };
    let (begins, ends) = (times.iter().map(|time| time.0).max(), times.iter().map(|time| time.1).min());
    let server = told(&mut own, "cert", &of_cert, server(pair).map_err(Wrong::from))?;
    Some(Tls { cert, key, server: Arc::new(server), ends, begins, origin: of_cert })
}

/// When a certificate begins and ends; none where it cannot be read, or is more than a certificate.
fn times(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (rest, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = parsed.validity();
    rest.is_empty().then(|| (validity.not_before.timestamp(), validity.not_after.timestamp()))
}

const EXAMPLE: &str = "for instance { cert = \"/etc/sukkal/cert.pem\", key = \"/etc/sukkal/key.pem\" }";

/// What is wrong with a file, and what to do.
struct Wrong(String, &'static str);

impl From<rustls::Error> for Wrong {
    fn from(error: rustls::Error) -> Self {
        Wrong(format!("cannot be used: {error}"), "have another certificate, with a key of RSA, ECDSA or Ed25519")
    }
}

fn told<T>(section: &mut Section<'_>, key: &str, origin: &Origin, read: Result<T, Wrong>) -> Option<T> {
    read.map_err(|Wrong(problem, mend)| section.wrong(origin, key, problem, mend)).ok()
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let pem = contents(path)?;
    let certificates: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Wrong(
            format!("names the file {}, which holds no certificate", path.display()),
            "it must hold PEM, which begins with -----BEGIN CERTIFICATE-----",
        )),
        // The error may show what stands in the file.
        Err(_) => Err(Wrong(format!("names the file {}, which is broken", path.display()), "write it anew, in PEM")),
    }
}

fn private(path: &Path) -> Result<Arc<dyn rustls::sign::SigningKey>, Wrong> {
    let pem = contents(path)?;
    let file = format!("names the file {}", path.display());
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        _ if is_encrypted(&pem) => Wrong(
            format!("{file}, whose key is kept under a passphrase"),
            "write it without one (openssl pkey -in KEY -out NEW)",
        ),
        PemError::NoItemsFound => Wrong(
            format!("{file}, which holds no private key"),
            "it must hold PEM, which begins with -----BEGIN PRIVATE KEY-----",
        ),
        _ => Wrong(format!("{file}, which is broken"), "write it anew, in PEM"),
    })?;
    ring::default_provider().key_provider.load_private_key(key).map_err(|_| {
        Wrong(
            format!("{file}, whose key is of a kind that cannot be used"),
            "use RSA with 2048 to 8192 bits, ECDSA over P-256 or P-384, or Ed25519",
        )
    })
}

fn contents(path: &Path) -> Result<Vec<u8>, Wrong> {
    std::fs::read(path).map_err(|error| {
        let problem = format!("names the file {}, which cannot be read: {error}", path.display());
        Wrong(problem, "check the path, and that the host's user may read it")
    })
}

fn is_encrypted(pem: &[u8]) -> bool {
    let marks = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
    marks.iter().any(|mark| memchr::memmem::find(pem, mark).is_some())
}

/// What a listener shows its clients.
fn server(pair: CertifiedKey) -> Result<ServerConfig, rustls::Error> {
    let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut server = versions
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    // Whoever comes again is spared the signature, at no memory of the host's.
    server.ticketer = ring::Ticketer::new()?;
    // What both transports speak without TLS, too.
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}
