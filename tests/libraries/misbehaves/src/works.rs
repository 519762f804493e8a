//! What must work in a plugin without any set-up.

use std::time::Duration;

use sukkal_plugin_sdk::{Error, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Uses each once, and fails where one does not work.
pub async fn all() -> Result<()> {
    let failed = |what: &str| Error::internal(format!("{what} does not work"));
    tokio::time::sleep(Duration::from_millis(2)).await;
    let spawned = tokio::spawn(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        7
    });
    if spawned.await.ok() != Some(7) {
        return Err(failed("a task"));
    }
    if tokio::task::spawn_blocking(|| 8).await.ok() != Some(8) {
        return Err(failed("a blocking task"));
    }
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || sender.send(9));
    if receiver.await.ok() != Some(9) {
        return Err(failed("a thread"));
    }
    let echoed = tokio::time::timeout(Duration::from_secs(2), echo()).await;
    match echoed {
        Ok(Ok(10)) => Ok(()),
        _ => Err(failed("a socket")),
    }
}

async fn echo() -> std::io::Result<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await
    });
    let mut stream = TcpStream::connect(address).await?;
    stream.write_u8(10).await?;
    let byte = stream.read_u8().await?;
    server.await??;
    Ok(byte)
}
