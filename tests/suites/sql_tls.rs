//! The SQL catalog over TLS: whom it trusts, and whom not.

use std::path::Path;

use serde_json::json;
use sukkal_tests::Host;
use sukkal_tests::servers::{MariaDb, Postgres};
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

/// A host with all plugins over this catalog serves.
async fn serves(words: &Words, uri: &str) {
    let host = Store::sql(words.scheme, uri).host().start().await;
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
    serves(words, &format!("{server}?{full}&{}", trusting("ours.pem"))).await;
    refuses(&format!("{server}?{full}&{}", trusting("stranger.pem")));
    refuses(&format!("{server}?{authority}&{}", trusting("stranger.pem")));
    // The system does not know it either.
    refuses(&format!("{server}?{full}"));
    refuses(&format!("{elsewhere}?{full}&{}", trusting("ours.pem")));
    serves(words, &format!("{elsewhere}?{authority}&{}", trusting("ours.pem"))).await;
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
async fn a_server_without_tls_is_not_spoken_to_where_it_is_asked_for() {
    let postgres = Postgres::start().await;
    let host = Host::with().top(&format!("catalog = {:?}", postgres.uri() + "?sslmode=require")).prepare();
    let output = host.serve().output().expect("the host can be started");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no trusted connection"));
}
