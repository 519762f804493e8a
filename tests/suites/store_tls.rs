//! Stores over TLS: whom they trust, and whom not.

use std::path::Path;

use serde_json::json;
use sukkal_tests::Host;
use sukkal_tests::pools::{admin, register};
use sukkal_tests::servers::redis::Redis;
use sukkal_tests::servers::{MariaDb, MongoDb, Postgres, free_port};
use sukkal_tests::stores::Store;
use sukkal_tests::tls::Authority;

/// How a URI says what is checked, in the words of an engine.
struct Words {
    scheme: &'static str,
    /// That nobody else can have the certificate, and that it has this name.
    full: &'static str,
    /// The first of these alone.
    authority: &'static str,
    /// Whom to trust.
    trusted: &'static str,
}

const POSTGRES: Words =
    Words { scheme: "postgres", full: "sslmode=verify-full", authority: "sslmode=verify-ca", trusted: "sslrootcert" };
const MARIADB: Words =
    Words { scheme: "mysql", full: "ssl-mode=VERIFY_IDENTITY", authority: "ssl-mode=VERIFY_CA", trusted: "ssl-ca" };

/// Certificates in a folder: `server` of this machine, `elsewhere` of another, and the authority's own
/// beside a stranger's.
fn certificates(folder: &Path) {
    let authority = Authority::default();
    authority.issue(folder, "server");
    authority.issue_for(folder, "elsewhere", &["db.example.org"]);
    std::fs::write(folder.join("ours.pem"), authority.pem()).expect("a file can be written");
    std::fs::write(folder.join("stranger.pem"), Authority::default().pem()).expect("a file can be written");
}

/// A host with all plugins over this store serves.
async fn serves(store: Store) {
    let host = store.host().start().await;
    host.client().put("/v2/queues/q", json!({})).await.expect(201);
    host.client().delete("/v2/queues/q").await.expect(204);
}

/// A host over this catalog does not start, and says that it is for the certificate.
fn refuses(uri: &str) {
    let host = Host::with().top(&format!("catalog = {uri:?}")).prepare();
    let output = host.serve().output().expect("the host can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{uri}");
    assert!(told.contains("certificate"), "{uri}: {told}");
    assert!(!told.contains("very-secret") && !told.contains("panicked"), "{told}");
}

async fn only_who_is_trusted(words: &Words, server: &str, elsewhere: &str, folder: &Path) {
    let trusting = |file: &str| format!("{}={}", words.trusted, folder.join(file).display());
    let Words { full, authority, .. } = words;
    let serves = async |uri: String| serves(Store::sql(words.scheme, &uri)).await;
    serves(format!("{server}?{full}&{}", trusting("ours.pem"))).await;
    refuses(&format!("{server}?{full}&{}", trusting("stranger.pem")));
    refuses(&format!("{server}?{authority}&{}", trusting("stranger.pem")));
    // The system does not know it either.
    refuses(&format!("{server}?{full}"));
    refuses(&format!("{elsewhere}?{full}&{}", trusting("ours.pem")));
    serves(format!("{elsewhere}?{authority}&{}", trusting("ours.pem"))).await;
}

#[tokio::test]
async fn postgresql_is_believed_with_a_certificate_that_is_trusted_and_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    certificates(folder.path());
    let server = Postgres::with_tls(folder.path(), "server").await;
    let elsewhere = Postgres::with_tls(folder.path(), "elsewhere").await;
    only_who_is_trusted(&POSTGRES, &server.uri(), &elsewhere.uri(), folder.path()).await;
}

#[tokio::test]
async fn mariadb_is_believed_with_a_certificate_that_is_trusted_and_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    certificates(folder.path());
    let server = MariaDb::with_tls(folder.path(), "server").await;
    let elsewhere = MariaDb::with_tls(folder.path(), "elsewhere").await;
    only_who_is_trusted(&MARIADB, &server.uri(), &elsewhere.uri(), folder.path()).await;
}

#[tokio::test]
async fn mariadb_that_speaks_tls_is_used_over_its_socket_without_it() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    certificates(folder.path());
    let server = MariaDb::with_tls(folder.path(), "server").await;
    serves(Store::sql("mysql", &server.socket_uri())).await;
    let uri = server.socket_uri() + "&ssl-mode=REQUIRED";
    let output = Store::sql("mysql", &uri).host().prepare().serve().output().expect("the host can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("TLS over a socket"), "{told}");
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_where_it_is_asked_for() {
    let postgres = Postgres::start().await;
    let host = Host::with().top(&format!("catalog = {:?}", postgres.uri() + "?sslmode=require")).prepare();
    let output = host.serve().output().expect("the host can be started");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no trusted connection"));
}

#[tokio::test]
async fn mongodb_is_believed_with_a_certificate_that_is_trusted_and_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    certificates(folder.path());
    let server = MongoDb::with_tls(folder.path(), "server").await;
    let elsewhere = MongoDb::with_tls(folder.path(), "elsewhere").await;
    let uri = |server: &MongoDb, trusted: &str| {
        let trusted = folder.path().join(trusted).display().to_string().replace('/', "%2F");
        format!("{}?tls=true&tlsCAFile={trusted}", server.uri())
    };
    serves(Store::mongodb(&uri(&server, "ours.pem"))).await;
    refuses(&uri(&server, "stranger.pem"));
    refuses(&uri(&elsewhere, "ours.pem"));
}

/// Each brings its own library for TLS.
#[tokio::test]
async fn stores_of_every_kind_are_spoken_to_over_tls_by_one_host_that_speaks_it_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    certificates(folder.path());
    let at = |file: &str| folder.path().join(file).display().to_string();
    let (postgres, mongodb) =
        tokio::join!(Postgres::with_tls(folder.path(), "server"), MongoDb::with_tls(folder.path(), "server"));
    let redis_port = free_port();
    let _redis = Redis::with(&format!(
        "tls-port {redis_port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n",
        at("server.pem"),
        at("server.key"),
        at("ours.pem")
    ));
    let catalog = format!("{}?sslmode=verify-full&sslrootcert={}", postgres.uri(), at("ours.pem"));
    let redis = format!("rediss://localhost:{redis_port}?ca_file={}", at("ours.pem"));
    let mongodb = format!("{}?tls=true&tlsCAFile={}", mongodb.uri(), at("ours.pem").replace('/', "%2F"));
    let own = format!("tls = {{ cert = {:?}, key = {:?} }}", at("server.pem"), at("server.key"));
    let setup = admin(Host::with()).top(&format!("catalog = {catalog:?}\ndefault_pool = \"\""));
    let host = setup.websocket(&own).start().await;
    for (name, uri) in [("one", redis), ("two", mongodb)] {
        register(&host, name, json!({ "uri": uri, "weight": 1 })).await.expect(201);
        host.client().put(&format!("/v2/flavors/{name}"), json!({ "pool_list": [name] })).await.expect(201);
        let queue = host.queue(name);
        queue.create(json!({ "_flavor": name })).await;
        queue.post(["a"]).await;
        assert_eq!(queue.claim(1).await.bodies(), ["a"]);
    }
    assert!(!host.log().contains("panicked"), "{}", host.log());
}
