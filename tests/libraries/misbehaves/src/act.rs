//! What misbehaving is.

use std::future::pending;
use std::time::Duration;

use sukkal_plugin_sdk::{Error, Result};
use tokio::time::sleep;

use crate::behaviour::Does;
use crate::{logs, works};

/// How long `slow` and `block` take.
const LONG: Duration = Duration::from_secs(3);

/// Does what can be done at any place.
pub async fn act(does: Does) -> Result<()> {
    match does {
        Does::PanicText => panic!("at once, with a text"),
        Does::PanicNumber => std::panic::panic_any(42_u32),
        Does::LatePanicText => {
            sleep(Duration::from_millis(1)).await;
            panic!("later, with a text")
        }
        Does::LatePanicNumber => {
            sleep(Duration::from_millis(1)).await;
            std::panic::panic_any(42_u32)
        }
        Does::PanicInDrop => {
            let _held = Panics;
            pending().await
        }
        Does::Waits => {
            let _held = Tells;
            sleep(LONG * 1_000).await;
        }
        Does::Never => pending().await,
        Does::Slow => sleep(LONG).await,
        Does::Block => std::thread::sleep(LONG),
        Does::BlockForGood => loop {
            std::thread::sleep(LONG);
        },
        Does::Fail => return Err(Error::unavailable("out of order").detail("as its settings say")),
        Does::FailInLines => {
            return Err(Error::unavailable("out of order\nforged: one\u{1b}[2K").detail("as\r\nforged: another"));
        }
        Does::Works => works::all().await?,
        Does::Logs => logs::all().await,
        Does::Well | Does::OneMore | Does::NoJson | Does::NoStatus | Does::Spoils | Does::Frames | Does::Identifies => {
        }
    }
    Ok(())
}

struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("in a drop")
    }
}

struct Tells;

impl Drop for Tells {
    fn drop(&mut self) {
        tracing::info!("what was awaited is dropped");
    }
}
