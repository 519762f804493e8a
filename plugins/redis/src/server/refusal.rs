//! What a server says to a connection that it does not take.
//!
//! It says so unasked, and closes. Whoever has sent something by then may read nothing but that the connection broke.

use std::time::Duration;

use sukkal_plugin_sdk::tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use sukkal_plugin_sdk::tokio::net::{TcpStream, UnixStream};
use sukkal_plugin_sdk::tokio::time::timeout;

use crate::uri::{Kind, Servers};

/// How long a server is listened to: one that takes the connection says nothing.
const WITHIN: Duration = Duration::from_millis(500);
/// The most of it that is read, in bytes.
const LONGEST: u64 = 1024;

/// Listens to a server, or the first of a cluster's nodes that are named, without asking anything. None: it says
/// nothing, or it speaks TLS, where nothing can be said to whoever does not.
pub async fn heard(servers: &Servers) -> Option<String> {
    if servers.tls {
        return None;
    }
    let listening = async {
        match &servers.kind {
            Kind::One(address) => listen(tcp(&address.host, address.port).await?).await,
            Kind::Socket(path) => listen(UnixStream::connect(path).await.ok()?).await,
            Kind::Cluster(nodes) => listen(tcp(&nodes.first()?.host, nodes.first()?.port).await?).await,
            Kind::Sentinel { .. } => None,
        }
    };
    timeout(WITHIN, listening).await.ok()?
}

async fn tcp(host: &str, port: u16) -> Option<TcpStream> {
    TcpStream::connect((host, port)).await.ok()
}

/// The first line, if it is a refusal.
async fn listen(stream: impl AsyncRead + Unpin) -> Option<String> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST)).read_until(b'\n', &mut line).await.ok()?;
    Some(String::from_utf8_lossy(&line).strip_prefix('-')?.trim_end().to_owned())
}
