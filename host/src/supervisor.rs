//! What the service manager is told that started the host: systemd, for a unit of `Type=notify`.
//!
//! As in sd_notify(3): lines of `NAME=VALUE`, in one datagram to the socket that `NOTIFY_SOCKET` names.
//! Nothing is told where there is no such variable, and nobody is waited for.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

/// Who is told. Cheap where nobody is.
#[derive(Debug)]
pub struct Supervisor(Option<UnixDatagram>);

impl Supervisor {
    /// The one that started this process, if it asks to be told.
    pub fn of_this_process() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Supervisor(None) };
        match connect(&name) {
            Ok(socket) => Supervisor(Some(socket)),
            Err(error) => {
                tracing::warn!("the socket that NOTIFY_SOCKET names cannot be used: {error}; nothing is told to it");
                Supervisor(None)
            }
        }
    }

    /// Clients are served. `status` is what `systemctl status` shows.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The settings are being reloaded; [`Self::ready`] ends that.
    pub fn reloading(&self) {
        // By this it tells a reload that it asked for from an earlier one.
        let now = clock_gettime(ClockId::Monotonic);
        let now = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading the settings"));
    }

    /// The host ends, as soon as what is under way is answered.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=answering what is under way");
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.0
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::warn!("the service manager cannot be told: {error}");
        }
    }
}

/// A path, or behind `@` a name that is in no file system.
fn connect(name: &OsStr) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(Path::new(name))?,
    }
    Ok(socket)
}
