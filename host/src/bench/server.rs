//! Where the server is, and connections to it.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::fault::Broken;
use crate::tls_client;

/// A connection, with or without TLS.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Where the server is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its addresses. A name may have several of which one answers, as `localhost` has.
    addresses: Arc<[SocketAddr]>,
    /// What TLS needs to know, where it is spoken.
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Server {
    /// One without TLS.
    pub fn plain(addresses: Arc<[SocketAddr]>) -> Server {
        Server { addresses, tls: None }
    }

    /// One whose certificate must be of this name, and be trusted by the system (or by what
    /// SSL_CERT_FILE names).
    ///
    /// # Errors
    /// No certificate can be of this name, or the system's cannot be read; in a few words.
    pub fn over_tls(addresses: Arc<[SocketAddr]>, name: &str) -> Result<Server, String> {
        tls_client::check_trusted()?;
        let name = ServerName::try_from(name.to_owned()).map_err(|_| "no certificate can have this name")?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_platform_verifier())
            .map_err(|error| format!("TLS cannot be prepared: {error}"))?;
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Server { addresses, tls: Some((Arc::new(config), name)) })
    }

    /// Connects.
    ///
    /// # Errors
    /// Nobody is there, or the handshake fails.
    pub async fn connect(&self) -> Result<Stream, Broken> {
        let stream = TcpStream::connect(&*self.addresses).await.map_err(|_| Broken::Refused)?;
        stream.set_nodelay(true).map_err(|_| Broken::Refused)?;
        let Some((config, name)) = &self.tls else { return Ok(Either::Left(stream)) };
        let shaken = TlsConnector::from(config.clone()).connect(name.clone(), stream).await;
        shaken.map(|stream| Either::Right(Box::new(stream))).map_err(|error| match tls_client::of(&error) {
            Some(error) if tls_client::is_spoken_by_nobody(error) => Broken::Plain,
            _ => Broken::NoTls,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn of_several_addresses_the_one_that_answers_is_taken() {
        let [left, open] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = [&left, &open].map(|listener| listener.local_addr().unwrap());
        drop(left);
        assert!(Server::plain(addresses.into()).connect().await.is_ok());
    }
}
