//! Certificates that are made for a test, and connections of who trusts them.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::host::{Host, Setup};

/// A connection, with or without TLS.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Who signs the hosts' certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::default();
        // Else both would have the same name, and be taken for one certificate.
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a certificate can be signed"))
    }
}

impl Authority {
    /// Writes a certificate of this machine, and its key, into a folder: `NAME.pem` and `NAME.key`.
    pub fn issue(&self, folder: &Path, name: &str) -> CertificateDer<'static> {
        self.issue_until(folder, name, 4096)
    }

    /// The same, of one that ends with the beginning of a year.
    pub fn issue_until(&self, folder: &Path, name: &str, year: i32) -> CertificateDer<'static> {
        let mut params = of(&["localhost", "127.0.0.1"]);
        params.not_after = date_time_ymd(year, 1, 1);
        self.sign(folder, name, &params)
    }

    /// The same, of one that begins with a year.
    pub fn issue_from(&self, folder: &Path, name: &str, year: i32) -> CertificateDer<'static> {
        let mut params = of(&["localhost", "127.0.0.1"]);
        params.not_before = date_time_ymd(year, 1, 1);
        self.sign(folder, name, &params)
    }

    /// The same, of a machine with other names.
    pub fn issue_for(&self, folder: &Path, name: &str, names: &[&str]) -> CertificateDer<'static> {
        self.sign(folder, name, &of(names))
    }

    fn sign(&self, folder: &Path, name: &str, params: &CertificateParams) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate can be signed");
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).expect("a file can be written");
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("a file can be written");
        certificate.der().clone()
    }

    /// Its own certificate, which clients have to trust.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Who trusts it, and offers these protocols.
    pub fn connector(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = versions.expect("versions of TLS").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    /// Connects to `127.0.0.1:PORT`.
    ///
    /// # Errors
    /// The handshake fails.
    pub async fn connect(&self, address: &str) -> std::io::Result<Stream> {
        connect(&self.connector(&["http/1.1"]), address).await.map(|stream| Either::Right(Box::new(stream)))
    }

    /// A host that shows a certificate of this authority, [`HOST`], on both listeners, and trusts in
    /// the folder's `authority.pem`; nothing is started.
    pub fn prepare(&self, setup: Setup) -> Host {
        let tls = format!("tls = {{ cert = \"{HOST}.pem\", key = \"{HOST}.key\" }}");
        let host = setup.rest(&tls).websocket(&tls).prepare();
        self.issue(host.folder(), HOST);
        std::fs::write(host.folder().join("authority.pem"), self.pem()).expect("a file can be written");
        host
    }

    /// The same, started.
    pub async fn host(&self, setup: Setup) -> Host {
        let mut host = self.prepare(setup);
        host.start_again().await;
        host
    }
}

fn of(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names of a host")
}

/// What the files of a host's certificate are called.
pub const HOST: &str = "host";

/// Connects to `127.0.0.1:PORT`.
///
/// # Errors
/// The handshake fails.
pub async fn connect(connector: &TlsConnector, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").expect("a name");
    connector.connect(name, stream).await
}
