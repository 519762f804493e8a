//! The SQL catalog, on real databases: shared by hosts, away, back again, killed.

use std::time::{Duration, Instant};

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::servers::proxy::Proxy;
use sukkal_tests::servers::{MariaDb, Postgres, Server};
use sukkal_tests::stores::{MEMORY, Store};
use sukkal_tests::{Host, Scrape, eventually};

use crate::{bodies, clients, wire_vectors};

#[tokio::test]
async fn the_wire_vectors_over_postgresql_and_redis() {
    let store = |postgres: &Postgres| Store::sql("postgres", &postgres.uri()).beside_redis();
    wire_vectors::all_over(Postgres::start, store).await;
}

#[tokio::test]
async fn the_wire_vectors_over_mariadb_and_redis() {
    let store = |mariadb: &MariaDb| Store::sql("mysql", &mariadb.uri()).beside_redis();
    wire_vectors::all_over(MariaDb::start, store).await;
}

#[tokio::test]
async fn every_client_over_postgresql_and_redis() {
    let store = |postgres: &Postgres| Store::sql("postgres", &postgres.uri()).beside_redis();
    clients::all_over(Postgres::start, store).await;
}

#[tokio::test]
async fn every_client_over_mariadb_and_redis() {
    let store = |mariadb: &MariaDb| Store::sql("mysql", &mariadb.uri()).beside_redis();
    clients::all_over(MariaDb::start, store).await;
}

#[tokio::test]
async fn metadata_are_kept_as_they_are_by_postgresql() {
    let postgres = Postgres::start().await;
    bodies::metadata_over(Store::sql("postgres", &postgres.uri())).await;
}

#[tokio::test]
async fn metadata_are_kept_as_they_are_by_mariadb() {
    let mariadb = MariaDb::start().await;
    bodies::metadata_over(Store::sql("mysql", &mariadb.uri())).await;
}

#[tokio::test]
async fn a_binary_log_that_is_not_synced_is_warned_of() {
    let mariadb = MariaDb::with(&["--log-bin", "--sync-binlog=0"]).await;
    let host = async || Store::sql("mysql", &mariadb.uri()).host().start().await;
    let lax = host().await;
    assert!(lax.log().contains("sync_binlog = 0: a crash"), "{}", lax.log());
    mariadb.sql("SET GLOBAL sync_binlog = 1").await;
    let strict = host().await;
    assert!(!strict.log().contains("sync_binlog"), "{}", strict.log());
}

/// Two hosts over one catalog and a pool that both can reach only in turn: each queue is made once.
async fn two_hosts_make_each_queue_once(store: Store) {
    let (first, second) = tokio::join!(store.host().start(), store.host().start());
    for number in 0..20 {
        let path = format!("/v2/queues/q{number}");
        let (one, other) = (first.client(), second.client());
        let (one, other) = tokio::join!(one.put(&path, json!({})), other.put(&path, json!({})));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 204], "{path}");
    }
    let seen = |host: &Host| {
        let client = host.client();
        async move { client.get("/v2/queues?limit=20").await.expect(200).json()["queues"].clone() }
    };
    assert_eq!(seen(&first).await, seen(&second).await);
}

#[tokio::test]
async fn two_hosts_make_each_queue_once_over_postgresql() {
    let postgres = Postgres::start().await;
    two_hosts_make_each_queue_once(Store::sql("postgres", &postgres.uri())).await;
}

#[tokio::test]
async fn two_hosts_make_each_queue_once_over_mariadb() {
    let mariadb = MariaDb::start().await;
    two_hosts_make_each_queue_once(Store::sql("mysql", &mariadb.uri())).await;
}

/// Known queues go on, all else is told 503 in time; the host finds the database again by itself.
async fn serves_without(host: &Host) {
    let known = host.queue("known");
    known.post(["while the database is away"]).await;
    let answer = host.client().put("/v2/queues/new", json!({})).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!answer.text().contains("127.0.0.1"), "no address is told: {answer:?}");
    assert_eq!(host.client().get("/v2/queues").await.status, 503);
}

async fn found_again(host: &Host) {
    eventually("the database is found again", 3 * SOON, async || {
        let answer = host.client().put("/v2/queues/again", json!({})).await;
        (answer.status < 300).then_some(())
    })
    .await;
    assert_eq!(host.client().get("/v2/queues/known").await.expect(200).json()["kept"], 1);
}

async fn host_over(store: Store) -> Host {
    host_that_waits(store, 1).await
}

/// The same, which gives up on the catalog after so many seconds.
async fn host_that_waits(store: Store, seconds: u32) -> Host {
    let host = store.host().section(&format!("[plugins.sql]\ntimeout = {seconds}")).start().await;
    host.client().put("/v2/queues/known", json!({ "kept": 1 })).await.expect(201);
    host
}

#[tokio::test]
async fn postgresql_killed_and_started_again() {
    let mut postgres = Postgres::start().await;
    let host = host_over(Store::sql("postgres", &postgres.uri())).await;
    postgres.server.kill();
    serves_without(&host).await;
    postgres.start_again().await;
    found_again(&host).await;
}

#[tokio::test]
async fn mariadb_killed_and_started_again() {
    let mut mariadb = MariaDb::start().await;
    let host = host_over(Store::sql("mysql", &mariadb.uri())).await;
    mariadb.server.kill();
    serves_without(&host).await;
    mariadb.start_again().await;
    found_again(&host).await;
}

/// How often a host has called this method of its catalog.
async fn catalog_calls(host: &Host, method: &str) -> f64 {
    let calls = [("kind", "catalog"), ("method", method)];
    Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_store_calls_total", &calls)
}

async fn frozen(server: &Server, host: &Host) {
    server.freeze();
    serves_without(host).await;
    server.thaw();
    found_again(host).await;
}

#[tokio::test]
async fn postgresql_frozen() {
    let postgres = Postgres::start().await;
    let host = host_over(Store::sql("postgres", &postgres.uri())).await;
    frozen(&postgres.server, &host).await;
}

#[tokio::test]
async fn mariadb_frozen() {
    let mariadb = MariaDb::start().await;
    let host = host_over(Store::sql("mysql", &mariadb.uri())).await;
    frozen(&mariadb.server, &host).await;
}

#[tokio::test]
async fn a_host_ends_soon_while_its_catalog_stands_still() {
    let postgres = Postgres::start().await;
    // What it has to write to the disk is not what it is timed for.
    let store = Store { pool: MEMORY.pool, ..Store::sql("postgres", &postgres.uri()) };
    let mut host = store.host().start().await;
    let (client, path) = (host.client().clone(), host.queue("nowhere").path("/claims?wait=20"));
    let waiting = tokio::spawn(async move { client.post(&path, json!({})).await });
    let looked = async || (catalog_calls(&host, "get_many").await > 1.0).then_some(());
    eventually("somebody waits for what is not there", SOON, looked).await;
    // With its connection it is to end in the catalog.
    let mut socket = host.websocket().await;
    socket.ask("subscription_create", json!({ "queue_name": "orders" })).await.expect(201);
    postgres.server.freeze();
    // By then all that the host does of its own hangs there.
    let pages = host.pages();
    eventually("it is not ready", SOON, async || (pages.get("/ready").await.status == 503).then_some(())).await;
    host.terminate();
    let begun = Instant::now();
    assert_eq!(host.wait().await.code(), Some(0));
    println!("it ended after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10), "as long as Docker waits: {:?}", begun.elapsed());
    waiting.await.expect("no task panics").expect(204);
}

#[tokio::test]
async fn known_queues_go_on_while_the_catalog_stands_still_for_longer_than_they_are_trusted() {
    let postgres = Postgres::start().await;
    let host = host_that_waits(Store::sql("postgres", &postgres.uri()), 20).await;
    let known = host.queue("known");
    known.post(["before"]).await;
    let looks = async || catalog_calls(&host, "get").await;
    postgres.server.freeze();
    let (before, mut posts, mut waited, mut slowest) = (looks().await, 0, Vec::new(), Duration::ZERO);
    // Posts come every half a second. What a host knows of a queue it trusts for a minute.
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let begun = Instant::now();
        known.post([posts]).await;
        slowest = slowest.max(begun.elapsed());
        posts += 1;
        if looks().await > before + waited.len() as f64 {
            waited.push(posts);
        }
        if waited.len() == 3 {
            break;
        }
    }
    assert_eq!(waited.len(), 3, "the host looks again now and then");
    // Whoever looks waits in vain for half a second; nobody else does.
    assert!(waited.windows(2).all(|two| two[1] - two[0] >= 3), "who waited: {waited:?}");
    assert!(slowest < Duration::from_secs(10), "it does not wait for the catalog's answer: {slowest:?}");
    postgres.server.thaw();
    found_again(&host).await;
    assert_eq!(known.counts().await, [posts + 1, 0, posts + 1]);
}

/// Connections stay open and nothing passes any more, as behind a firewall that has forgotten them.
async fn swallowed(port: u16, store: impl Fn(&str) -> Store) {
    let proxy = Proxy::to(port).await;
    let host = host_over(store(&format!("127.0.0.1:{}", proxy.port()))).await;
    proxy.swallow();
    serves_without(&host).await;
    proxy.restore();
    found_again(&host).await;
}

#[tokio::test]
async fn postgresql_behind_a_wire_that_swallows_everything() {
    let postgres = Postgres::start().await;
    let (port, uri) = (postgres.server.port(), postgres.uri());
    let direct = format!("127.0.0.1:{port}");
    swallowed(port, |wire| Store::sql("postgres", &uri.replace(&direct, wire))).await;
}

#[tokio::test]
async fn mariadb_behind_a_wire_that_swallows_everything() {
    let mariadb = MariaDb::start().await;
    let (port, uri) = (mariadb.server.port(), mariadb.uri());
    let direct = format!("127.0.0.1:{port}");
    swallowed(port, |wire| Store::sql("mysql", &uri.replace(&direct, wire))).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_ends_the_start_in_one_line_without_the_password() {
    let catalog = "catalog = \"postgres://sukkal:very-secret@127.0.0.1:1/none\"";
    let host = Host::with().top(catalog).prepare();
    let output = host.serve().output().expect("the host can be started");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("database"), "{text}");
    assert!(!text.contains("very-secret"), "{text}");
}

/// A host over this catalog ends at once, and says what is in the way.
fn is_refused(store: Store, reason: &str) {
    let output = store.host().prepare().serve().output().expect("the host can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(reason), "{told}");
}

/// Of each table on its own it is seen that it cannot be used: statements that take something away, and that give it
/// back.
async fn needs_each_table(store: Store, sql: impl AsyncFn(&str), without: &[(&str, &str, &str)]) {
    let host = store.host().start().await;
    let pages = host.pages();
    let ready = async |status: u16| {
        eventually("the health is seen", SOON, async || (pages.get("/ready").await.status == status).then_some(()))
            .await;
        let ping = if status == 200 { 204 } else { status };
        eventually("clients see it too", SOON, async || {
            (host.client().get("/v2/ping").await.status == ping).then_some(())
        })
        .await;
    };
    for (take, give, reason) in without {
        println!("{take}");
        ready(200).await;
        sql(take).await;
        ready(503).await;
        is_refused(store, reason);
        sql(give).await;
    }
    ready(200).await;
    host.client().put("/v2/queues/new", json!({})).await.expect(201);
}

const MISSING: &str = "a table of the catalog is missing";
const NOT_ALLOWED: &str = "refuses the user";

#[tokio::test]
async fn a_host_is_ready_and_starts_only_while_it_may_use_each_table_of_postgresql() {
    let postgres = Postgres::start().await;
    // The tables stay the superuser's.
    Store::sql("postgres", &postgres.uri()).host().start().await;
    postgres.sql("CREATE ROLE guest LOGIN").await;
    postgres.sql("GRANT CREATE ON SCHEMA public TO guest").await;
    postgres.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest").await;
    let store = Store::sql("postgres", &postgres.uri().replace("sukkal@", "guest@"));
    needs_each_table(
        store,
        async |statement: &str| postgres.sql(statement).await,
        &[
            ("ALTER TABLE sukkal_record RENAME TO gone", "ALTER TABLE gone RENAME TO sukkal_record", MISSING),
            ("ALTER TABLE sukkal_tally RENAME TO gone", "ALTER TABLE gone RENAME TO sukkal_tally", MISSING),
            ("ALTER TABLE sukkal_stripe RENAME TO gone", "ALTER TABLE gone RENAME TO sukkal_stripe", MISSING),
            ("REVOKE SELECT ON sukkal_record FROM guest", "GRANT SELECT ON sukkal_record TO guest", NOT_ALLOWED),
            ("REVOKE INSERT ON sukkal_record FROM guest", "GRANT INSERT ON sukkal_record TO guest", NOT_ALLOWED),
            ("REVOKE DELETE ON sukkal_record FROM guest", "GRANT DELETE ON sukkal_record TO guest", NOT_ALLOWED),
            ("REVOKE INSERT ON sukkal_tally FROM guest", "GRANT INSERT ON sukkal_tally TO guest", NOT_ALLOWED),
            ("REVOKE UPDATE ON sukkal_tally FROM guest", "GRANT UPDATE ON sukkal_tally TO guest", NOT_ALLOWED),
            ("REVOKE DELETE ON sukkal_tally FROM guest", "GRANT DELETE ON sukkal_tally TO guest", NOT_ALLOWED),
            ("REVOKE UPDATE ON sukkal_stripe FROM guest", "GRANT UPDATE ON sukkal_stripe TO guest", NOT_ALLOWED),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_host_is_ready_and_starts_only_while_it_may_use_each_table_of_mariadb() {
    let mariadb = MariaDb::start().await;
    // Whoever wants a key named in each deletion gets one.
    mariadb.sql("SET GLOBAL sql_safe_updates = ON").await;
    let store = Store::sql("mysql", &mariadb.uri());
    needs_each_table(
        store,
        async |statement: &str| mariadb.sql(statement).await,
        &[
            ("RENAME TABLE sukkal_record TO gone", "RENAME TABLE gone TO sukkal_record", MISSING),
            ("RENAME TABLE sukkal_tally TO gone", "RENAME TABLE gone TO sukkal_tally", MISSING),
            ("RENAME TABLE sukkal_stripe TO gone", "RENAME TABLE gone TO sukkal_stripe", MISSING),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_database_without_a_connection_to_spare_is_waited_for_at_the_start() {
    let postgres = Postgres::start().await;
    postgres.sql("CREATE ROLE guest LOGIN CONNECTION LIMIT 0").await;
    postgres.sql("GRANT CREATE ON SCHEMA public TO guest").await;
    let as_guest = postgres.uri().replace("sukkal@", "guest@");
    let let_in = async {
        eventually("the host is turned away", SOON, async || {
            postgres.server.log().contains("too many connections for role").then_some(())
        })
        .await;
        postgres.sql("ALTER ROLE guest CONNECTION LIMIT -1").await;
    };
    let store = Store::sql("postgres", &as_guest);
    let (host, ()) = tokio::join!(store.host().section("[plugins.sql]\ntimeout = 30").start(), let_in);
    host.queue("orders").post(["since it was waited for"]).await;
}
