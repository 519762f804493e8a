//! Whether anything listens where a URI points to.
//!
//! The driver tries again for as long as it may wait for a server. Whoever opens a store should hear at
//! once that there is nobody, where, and what the system says of it.

use std::time::Duration;

use mongodb::options::ServerAddress;
use sukkal_plugin_sdk::tokio::net::{TcpStream, UnixStream};
use sukkal_plugin_sdk::tokio::task::JoinSet;
use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{Error, Result};

const PORT: u16 = 27_017;

/// Connects to the servers, all at once, until one is there.
///
/// # Errors
/// `Unavailable`: none is. Each address, and the system's reason.
pub async fn any(servers: Vec<ServerAddress>, patience: Duration) -> Result<()> {
    let mut connecting = JoinSet::new();
    for server in servers {
        connecting.spawn(async move { one(&server, patience).await.map_err(|reason| format!("{server}: {reason}")) });
    }
    let mut reasons = Vec::new();
    while let Some(ended) = connecting.join_next().await {
        match ended {
            Ok(Err(reason)) => reasons.push(reason),
            Ok(Ok(())) | Err(_) => return Ok(()),
        }
    }
    reasons.sort();
    let text = "no server of MongoDB can be reached; start one, or correct the uri";
    Err(Error::unavailable(text).detail(reasons.join(", ")))
}

async fn one(server: &ServerAddress, patience: Duration) -> Result<(), String> {
    let connected = timeout(patience, async {
        match server {
            ServerAddress::Tcp { host, port } => {
                TcpStream::connect((host.as_str(), port.unwrap_or(PORT))).await.map(drop)
            }
            ServerAddress::Unix { path } => UnixStream::connect(path).await.map(drop),
            // What the driver's list may grow by is its own to judge.
            _ => Ok(()),
        }
    });
    match connected.await {
        Ok(connected) => connected.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no connection within {} ms", patience.as_millis())),
    }
}
