//! The service manager that starts the host knows when it serves, reloads and stops: systemd, by sd_notify(3).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram as Bound};

use sukkal_tests::Host;
use sukkal_tests::eventually::SOON;
use tokio::net::UnixDatagram;

/// What the host tells next, line by line.
async fn told(socket: &UnixDatagram) -> Vec<String> {
    let mut bytes = [0; 4096];
    let length = tokio::time::timeout(SOON, socket.recv(&mut bytes)).await.expect("the host tells something");
    let text = String::from_utf8_lossy(&bytes[..length.expect("a socket of ours")]).into_owned();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn systemd_is_told_when_the_host_serves_reloads_and_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let mut host = Host::with().env("NOTIFY_SOCKET", &path).start().await;
    assert_eq!(told(&socket).await, ["READY=1", "STATUS=serving"]);
    host.client().get("/v2/ping").await.expect(204);

    host.reload(|text| text + "[limits]\nmax_messages_per_page = 30\n").await;
    let reloading = told(&socket).await;
    assert_eq!(reloading[0], "RELOADING=1");
    let since: u64 = reloading[1].strip_prefix("MONOTONIC_USEC=").and_then(|time| time.parse().ok()).expect("a time");
    assert!(since > 0);
    assert_eq!(told(&socket).await, ["READY=1", "STATUS=serving"]);

    host.reload(|text| text.replace("max_messages_per_page", "max_messages_per_pge")).await;
    assert_eq!(told(&socket).await[0], "RELOADING=1");
    let refused = told(&socket).await;
    assert_eq!(refused[0], "READY=1", "it goes on with what it had");
    assert!(refused[1].contains("the last reload was refused"), "{refused:?}");

    assert_eq!(host.stop().await.code(), Some(0));
    assert_eq!(told(&socket).await[0], "STOPPING=1");
}

#[tokio::test]
async fn a_notification_socket_may_be_in_no_file_system() {
    let name = format!("sukkal-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = Bound::bind_addr(&address).expect("a socket");
    socket.set_nonblocking(true).expect("a socket of ours");
    let socket = UnixDatagram::from_std(socket).expect("a socket of ours");
    let _host = Host::with().env("NOTIFY_SOCKET", format!("@{name}")).start().await;
    assert_eq!(told(&socket).await, ["READY=1", "STATUS=serving"]);
}

#[tokio::test]
async fn a_notification_socket_that_is_gone_keeps_nobody_from_being_served() {
    let host = Host::with().env("NOTIFY_SOCKET", "/nowhere/notify").start().await;
    host.client().get("/v2/ping").await.expect(204);
    assert!(host.log().contains("NOTIFY_SOCKET"), "{}", host.log());
}
