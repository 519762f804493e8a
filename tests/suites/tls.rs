//! TLS on both listeners: who speaks it is served as without, whoever does not is told or thrown
//! out, and certificates are exchanged while connections are open.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::host::{Setup, alone};
use sukkal_tests::tls::{Authority, HOST, connect};
use sukkal_tests::wire::{Wire, head, request};
use sukkal_tests::ws::Socket;
use sukkal_tests::{Host, Scrape, eventually, programs};
use tokio_util::either::Either;

const POST: &str = "{\"messages\":[{\"body\":\"a\"}]}";

async fn wire(authority: &Authority, host: &Host) -> Wire {
    Wire::over(authority.connect(host.address()).await.expect("the host speaks TLS"))
}

async fn socket(authority: &Authority, host: &Host) -> Socket {
    let stream = authority.connect(&host.websocket_address()).await.expect("the host speaks TLS");
    Socket::over(stream).await.expect("the host takes websockets")
}

async fn ping(wire: &mut Wire) -> Option<u16> {
    wire.send(head("GET", "/v2/ping", "")).await;
    wire.reply().await.map(|reply| reply.status)
}

/// The certificate that a host shows who comes now.
async fn shown(authority: &Authority, address: &str) -> Vec<u8> {
    let stream = connect(&authority.connector(&[]), address).await.expect("the host speaks TLS");
    stream.get_ref().1.peer_certificates().and_then(<[_]>::first).expect("a certificate").to_vec()
}

pub fn run(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program can be started");
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_in_the_field_work_over_tls() {
    let authority = Authority::default();
    for script in ["zaqarclient_rest.py", "openstacksdk_rest.py", "zaqarclient_ws.py"] {
        let host = authority.host(Setup::default().section("[signed_urls]\nsecret_key = \"s\"")).await;
        let trusted = host.folder().join("authority.pem");
        let endpoint = match script {
            "zaqarclient_ws.py" => format!("wss://{}/", host.websocket_address()),
            _ => host.base().to_owned(),
        };
        let mut command = Command::new(programs::python());
        command.arg(programs::checkout("tests/clients").join(script)).arg(endpoint);
        command.env("REQUESTS_CA_BUNDLE", &trusted).env("WEBSOCKET_CLIENT_CA_BUNDLE", &trusted);
        let (worked, told) = run(&mut command);
        assert!(worked, "{script}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_paths_and_the_command_line_trusts_whom_the_system_trusts() {
    let authority = Authority::default();
    let host = authority.host(Setup::default()).await;
    let trusted = host.folder().join("authority.pem");
    let base = host.base().replace("127.0.0.1", "localhost");
    assert!(base.starts_with("https://"), "{base}");
    let mut curl = Command::new("curl");
    curl.args(["-sSi", "--noproxy", "*", "-X", "PUT", "-H", "X-Project-ID: p1"]).arg("--cacert").arg(&trusted);
    curl.args(["-H", "Client-ID: 3381af92-2b9e-11e3-b191-71861300734c"]).arg(format!("{base}/v2/queues/by-curl"));
    let (worked, told) = run(&mut curl);
    assert!(worked && told.contains("HTTP/1.1 201") && told.contains("location: /v2/queues/by-curl\r"), "{told}");
    let mut sukkal = Command::new(programs::sukkal());
    alone(&mut sukkal);
    sukkal.args(["queue", "list", "--project", "p1", "--url", &base]);
    let (worked, told) = run(sukkal.env("SSL_CERT_FILE", &trusted));
    assert!(worked && told.contains("by-curl"), "{told}");
}

#[tokio::test]
async fn http_1_1_is_spoken_and_whoever_speaks_another_protocol_alone_is_refused() {
    let authority = Authority::default();
    let host = authority.host(Setup::default()).await;
    for address in [host.address(), &host.websocket_address()] {
        let stream = connect(&authority.connector(&["h2", "http/1.1"]), address).await.expect("a common protocol");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(connect(&authority.connector(&["h2"]), address).await.is_err());
    }
    let stream = connect(&authority.connector(&[]), host.address()).await.expect("none need be named");
    assert_eq!(ping(&mut Wire::over(Either::Right(Box::new(stream)))).await, Some(204));
    assert!(Authority::default().connect(host.address()).await.is_err(), "another authority is not trusted");
}

#[tokio::test]
async fn a_reload_shows_new_certificates_and_leaves_open_connections_alone() {
    let authority = Authority::default();
    let host = authority.host(Setup::default()).await;
    let (rest, websocket) = (host.address().to_owned(), host.websocket_address());
    let first = shown(&authority, &rest).await;
    assert_eq!(shown(&authority, &websocket).await, first);
    let (mut wire, mut socket) = (wire(&authority, &host).await, socket(&authority, &host).await);
    assert_eq!(ping(&mut wire).await, Some(204));
    // The files are written anew, as by a client of an authority; the settings stay the same.
    let second = authority.issue(host.folder(), HOST).to_vec();
    host.reload(|text| text).await;
    assert_ne!(second, first);
    for address in [&rest, &websocket] {
        assert_eq!(shown(&authority, address).await, second);
    }
    // Other files are named, for one of the listeners.
    let third = authority.issue(host.folder(), "third").to_vec();
    host.reload(|text| text.replacen("host.pem", "third.pem", 1).replacen("host.key", "third.key", 1)).await;
    assert_eq!((shown(&authority, &rest).await, shown(&authority, &websocket).await), (third, second));
    assert!(!host.log().contains("only after a restart"), "{}", host.log());
    assert_eq!(ping(&mut wire).await, Some(204));
    socket.ask("queue_list", json!({})).await.expect(200);
}

#[tokio::test]
async fn operators_read_when_certificates_end() {
    let authority = Authority::default();
    let mut host = authority.prepare(Setup::default());
    authority.issue_until(host.folder(), HOST, 2100);
    host.start_again().await;
    let ends = async |transport| {
        let scrape = Scrape::of(&host.pages(), "/metrics").await;
        scrape.sum("sukkal_tls_certificate_expiry_timestamp_seconds", &[("transport", transport)])
    };
    // 1 January of 2100 and of 2101, as `date +%s` has them.
    let years = [4_102_444_800.0, 4_133_980_800.0];
    assert_eq!([ends("rest").await, ends("websocket").await], [years[0]; 2]);
    authority.issue_until(host.folder(), "next", 2101);
    host.reload(|text| text.replacen("host.pem", "next.pem", 1).replacen("host.key", "next.key", 1)).await;
    assert_eq!([ends("rest").await, ends("websocket").await], [years[1], years[0]]);
}

#[tokio::test]
async fn a_server_is_measured_over_tls_if_its_certificate_is_trusted() {
    let authority = Authority::default();
    let host = authority.host(Setup::default()).await;
    let trusted = host.folder().join("authority.pem");
    for url in [host.base().to_owned(), format!("wss://{}", host.websocket_address())] {
        let bench = |trusted: &Path| {
            let mut bench = Command::new(programs::sukkal());
            alone(&mut bench);
            bench.args(["bench", "--project", "p1", "--count", "20", "-c", "2", "--json", "--url", &url]);
            run(bench.env("SSL_CERT_FILE", trusted))
        };
        let (worked, told) = bench(&trusted);
        assert!(worked && told.contains("\"done\":20"), "{url}: {told}");
        let (worked, told) = bench(&host.folder().join("host.pem"));
        assert!(!worked && told.contains("TLS failed") && told.contains("SSL_CERT_FILE"), "{url}: {told}");
    }
}

#[tokio::test]
async fn a_broken_certificate_at_a_reload_leaves_the_old_one_in_force() {
    let authority = Authority::default();
    let host = authority.host(Setup::default()).await;
    let (rest, before) = (host.address().to_owned(), shown(&authority, host.address()).await);
    let mut wire = wire(&authority, &host).await;
    authority.issue(host.folder(), "other");
    let [sound, other] =
        ["host.key", "other.key"].map(|name| std::fs::read_to_string(host.folder().join(name)).expect("a key"));
    let refused =
        async || Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_reloads_total", &[("outcome", "refused")]);
    // As openssl writes them, the older form and the newer.
    let encrypted =
        ["EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A", "ENCRYPTED PRIVATE KEY-----"].map(
            |head| {
                format!("-----BEGIN {head}\n\nAAAA\n-----END {}-----\n", head.split("-----").next().unwrap_or_default())
            },
        );
    let wrong = [
        (other.as_str(), "is the key of another certificate"),
        ("", "holds no private key"),
        (&encrypted[0], "kept under a passphrase; write it without one (openssl pkey"),
        (&encrypted[1], "kept under a passphrase"),
    ];
    for (number, (key, told)) in wrong.into_iter().enumerate() {
        std::fs::write(host.folder().join("host.key"), key).expect("a file can be written");
        let seen = host.log().len();
        host.reload(|text| text).await;
        assert_eq!(refused().await, number as f64 + 1.0);
        // One line for each listener that names it.
        let log = host.log().split_off(seen);
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(told)).collect();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.contains("sukkal.toml:")), "{log}");
        assert_eq!(shown(&authority, &rest).await, before);
        assert_eq!(ping(&mut wire).await, Some(204));
    }
    for key in [&sound, &other] {
        let secret = key.lines().nth(1).expect("a line of a key");
        assert!(!host.log().contains(secret), "a key is logged");
    }
    std::fs::write(host.folder().join("host.key"), sound).expect("a file can be written");
    host.reload(|text| text).await;
    assert_eq!(refused().await, 4.0, "it is whole again");
}

#[tokio::test]
async fn whether_a_listener_speaks_tls_is_decided_at_the_start() {
    let authority = Authority::default();
    let host = authority.host(Setup::default()).await;
    host.reload(|text| {
        let lines = text.split_inclusive('\n').collect::<Vec<_>>();
        let first = lines.iter().position(|line| line.starts_with("tls")).expect("the REST API's");
        lines.iter().enumerate().filter(|(number, _)| *number != first).map(|(_, line)| *line).collect()
    })
    .await;
    assert!(host.log().lines().any(|line| line.contains("only after a restart: rest.tls")), "{}", host.log());
    assert_eq!(ping(&mut wire(&authority, &host).await).await, Some(204));
}

#[tokio::test]
async fn whoever_speaks_plain_http_to_a_tls_port_is_told() {
    let authority = Authority::default();
    let host = authority.host(Setup::default()).await;
    for address in [host.address(), &host.websocket_address()] {
        let mut plain = Wire::connect(address).await;
        plain.send(request("POST", "/v2/queues/q/messages", "", POST)).await;
        let reply = plain.reply().await.expect("an answer that can be read");
        assert!(reply.status == 400 && reply.body.contains("TLS"), "{reply:?}");
        assert_eq!(plain.rest().await, b"", "and the connection ends");
    }
    let failed = async |transport| {
        let scrape = Scrape::of(&host.pages(), "/metrics").await;
        scrape.sum("sukkal_tls_handshakes_failed_total", &[("transport", transport)])
    };
    assert_eq!((failed("rest").await, failed("websocket").await), (1.0, 1.0));
}

#[tokio::test]
async fn whoever_does_not_come_to_the_end_of_the_handshake_is_thrown_out() {
    let authority = Authority::default();
    // As many in the handshake as there may be connections, by four.
    let setup = Setup::default()
        .rest("max_connections = 40\nidle_timeout = 1")
        .websocket("idle_timeout = 2\nping_interval = 1");
    let host = authority.host(setup).await;
    let mut stuck = vec![Wire::connect(host.address()).await, Wire::connect(&host.websocket_address()).await];
    for _ in 0..20 {
        let mut half = Wire::connect(host.address()).await;
        // A record of a handshake, of which the rest never comes.
        half.send([0x16, 3, 1, 2, 0, 1]).await;
        stuck.push(half);
    }
    let mut broken = Wire::connect(host.address()).await;
    broken.send([0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]).await;
    broken.rest().await;
    for mut wire in stuck {
        wire.rest().await;
    }
    assert_eq!(ping(&mut wire(&authority, &host).await).await, Some(204));
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let authority = Authority::default();
    let host = authority.host(Setup::default().rest("max_connections = 1")).await;
    let mut first = wire(&authority, &host).await;
    assert_eq!(ping(&mut first).await, Some(204));
    assert!(authority.connect(host.address()).await.is_err());
    drop(first);
    let next = eventually("its place is free", SOON, async || authority.connect(host.address()).await.ok()).await;
    assert_eq!(ping(&mut Wire::over(next)).await, Some(204));
}

#[tokio::test]
async fn what_is_under_way_is_answered_at_the_end_and_the_rest_closed() {
    let authority = Authority::default();
    let mut host = authority.host(Setup::default().top("shutdown_grace = 20")).await;
    let (mut idle, mut upload, mut socket) =
        (wire(&authority, &host).await, wire(&authority, &host).await, socket(&authority, &host).await);
    assert_eq!(ping(&mut idle).await, Some(204));
    socket.ask("queue_list", json!({})).await.expect(200);
    let mut shaking = Wire::connect(host.address()).await;
    let post = request("POST", "/v2/queues/orders/messages", "", POST);
    let (begun, rest) = post.split_at(post.len() - 5);
    assert!(upload.send(begun).await);
    let pages = host.pages();
    eventually("all are there", SOON, async || {
        (Scrape::of(&pages, "/metrics").await.sum("sukkal_connections", &[("transport", "rest")]) == 3.0).then_some(())
    })
    .await;
    host.terminate();
    assert_eq!(socket.closed().await, Some(1001));
    assert_eq!(idle.rest().await, b"");
    // A handshake may take ten seconds; this one is not waited for.
    let ended = tokio::time::timeout(Duration::from_secs(8), shaking.rest()).await;
    assert_eq!(ended.as_deref(), Ok(&b""[..]), "a handshake is broken off");
    assert!(upload.send(rest).await);
    assert_eq!(upload.reply().await.map(|reply| reply.status), Some(201));
    assert_eq!(host.wait().await.code(), Some(0));
}

#[tokio::test]
async fn what_is_large_passes_whole() {
    let authority = Authority::default();
    let host = authority.host(Setup::default()).await;
    let body = "x".repeat(250_000);
    let mut wire = wire(&authority, &host).await;
    let post = request("POST", "/v2/queues/q/messages", "", &json!({ "messages": [{ "body": body }] }).to_string());
    wire.send(post).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(201));
    wire.send(head("GET", "/v2/queues/q/messages?echo=true", "")).await;
    assert!(wire.reply().await.is_some_and(|reply| reply.body.contains(&body)));
    let mut socket = socket(&authority, &host).await;
    let listed = socket.ask("message_list", json!({ "queue_name": "q", "echo": true })).await.expect(200);
    assert_eq!(listed.body()["messages"][0]["body"], body);
}

#[tokio::test]
async fn the_command_line_tells_in_plain_words_why_a_certificate_is_not_trusted() {
    let authority = Authority::default();
    let asked = |host: &Host, trusted: bool| {
        let mut sukkal = Command::new(programs::sukkal());
        alone(&mut sukkal);
        let base = host.base().replace("127.0.0.1", "localhost");
        sukkal.args(["queue", "list", "--project", "p1", "--url", &base]);
        if trusted {
            sukkal.env("SSL_CERT_FILE", host.folder().join("authority.pem"));
        }
        let (worked, told) = run(&mut sukkal);
        assert!(!worked && told.lines().count() == 1, "{told}");
        told
    };
    let host = authority.host(Setup::default()).await;
    let told = asked(&host, false);
    assert!(told.contains("an authority that is not trusted here") && told.contains("SSL_CERT_FILE"), "{told}");
    std::fs::write(host.folder().join("authority.pem"), Authority::default().pem()).expect("a file can be written");
    assert!(asked(&host, true).contains("another key than that of the authority of this name"));

    let mut host = authority.prepare(Setup::default());
    authority.issue_until(host.folder(), HOST, 2020);
    host.start_again().await;
    let told = asked(&host, true);
    assert!(told.contains("a certificate that has ended; have its operator renew it"), "{told}");

    let mut host = authority.prepare(Setup::default());
    authority.issue_for(host.folder(), HOST, &["queue.example.org"]);
    host.start_again().await;
    let told = asked(&host, true);
    assert!(told.contains("a certificate of another name than that in the URL"), "{told}");
}
