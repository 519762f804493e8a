//! Redis in all its forms: a cluster, Sentinels, TLS, a socket; and what a pool says of its server.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use sukkal_plugin_sdk::testing::{TestClock, call};
use sukkal_plugin_sdk::{Capabilities, Health};
use sukkal_tests::eventually::SOON;
use sukkal_tests::pools::{pool, poolless, register};
use sukkal_tests::servers::free_port;
use sukkal_tests::servers::proxy::Proxy;
use sukkal_tests::servers::redis::{Cluster, Redis, Watched};
use sukkal_tests::stores::REDIS;
use sukkal_tests::tls::Authority;
use sukkal_tests::{Host, eventually, programs};

/// Holds the built library to the kit, on servers of its own.
fn keeps(uri: &str, cases: &str) {
    let mut verify = Command::new(programs::sukkal());
    verify.args(["plugin", "verify"]).arg(programs::library("sukkal-redis")).args(["--uri", uri, "--case", cases]);
    let output = verify.output().expect("the program can be started");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{uri}\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.ends_with(" passed, 0 failed, 0 not offered\n"), "{told}");
}

#[test]
fn the_kit_holds_on_a_cluster() {
    keeps(&Cluster::start().uri(), "*");
}

#[test]
fn the_kit_holds_with_sentinels() {
    keeps(&Watched::start().uri(), "*");
}

#[test]
fn the_kit_holds_where_replicas_are_waited_for() {
    let watched = Watched::start();
    keeps(&format!("{}&replicas=1", watched.uri()), "pool.[cp]*");
}

#[test]
fn one_node_of_a_cluster_leads_to_all() {
    let cluster = Cluster::start();
    keeps(&cluster.nodes[1].uri(), "pool.order.*");
}

#[tokio::test]
async fn a_cluster_is_registered_once_whichever_nodes_are_named() {
    let cluster = Cluster::start();
    let host = poolless().await;
    pool(&host, "p1", &cluster.uri()).await;
    let [one, two, _] = [0, 1, 2].map(|node| cluster.nodes[node].port());
    for uri in [
        format!("redis://127.0.0.1:{one}"),
        format!("redis://127.0.0.1:{one},127.0.0.1:{two}?cluster=true"),
        format!("redis://localhost:{two}?cluster=true"),
    ] {
        let refused = register(&host, "p2", json!({ "uri": uri, "weight": 1 })).await.expect(409).json();
        assert!(refused["description"].as_str().is_some_and(|text| text.ends_with("the pool p1.")), "{refused}");
        pool(&host, "p1", &uri).await;
    }
    pool(&host, "p2", &format!("redis://127.0.0.1:{one}?prefix=other")).await;
}

#[test]
fn the_kit_holds_over_a_socket() {
    let redis = Redis::start();
    keeps(&format!("redis://{}", redis.socket().display()), "pool.claim.*");
}

/// A server that speaks TLS, with a certificate of this authority.
fn with_tls(authority: &Authority, folder: &Path) -> (Redis, u16) {
    authority.issue(folder, "server");
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let (port, at) = (free_port(), |name: &str| folder.join(name).display().to_string());
    let settings = format!(
        "tls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n",
        at("server.pem"),
        at("server.key"),
        at("ca.pem")
    );
    (Redis::with(&settings), port)
}

#[test]
fn the_kit_holds_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (_redis, port) = with_tls(&Authority::default(), folder.path());
    keeps(&format!("rediss://localhost:{port}?ca_file={}", folder.path().join("ca.pem").display()), "pool.[oc]*");
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_redis, port) = with_tls(&Authority::default(), folder.path());
    let error = open(&format!("rediss://localhost:{port}")).await.unwrap_err();
    assert!(error.contains("cannot be reached") && error.contains("ertificate"), "{error}");
}

/// What a pool states of itself, and what its operator is told.
async fn open(uri: &str) -> Result<(Capabilities, Health), String> {
    let (clock, folder) = (TestClock::default(), tempfile::tempdir().unwrap());
    let library = REDIS.load(&clock, folder.path())?;
    let pool = library.open_pool(REDIS.arguments(uri, folder.path())).await.map_err(|error| error.to_string())?;
    let health = pool.health(&call(&clock)).await.map_err(|error| error.to_string())?;
    let capabilities = pool.capabilities().expect("it states some");
    pool.shutdown(&call(&clock)).await.map_err(|error| error.to_string())?;
    Ok((capabilities, health))
}

#[tokio::test]
async fn a_pool_states_what_its_server_keeps_and_warns_of_the_rest() {
    const SYNCED: &str = "appendonly yes\nappendfsync always\n";
    let servers: [(String, bool, bool, &[&str]); 6] = [
        (format!("{SYNCED}maxmemory-policy noeviction\n"), true, true, &[]),
        (format!("{SYNCED}maxmemory-policy allkeys-lru\n"), false, false, &["messages can vanish", "allkeys-lru"]),
        (format!("{SYNCED}maxmemory-policy volatile-ttl\n"), false, false, &["messages can vanish", "volatile-ttl"]),
        ("appendonly no\n".to_owned(), false, true, &["appendonly yes"]),
        ("appendonly yes\nappendfsync everysec\n".to_owned(), false, true, &["appendfsync is not always"]),
        (format!("{SYNCED}no-appendfsync-on-rewrite yes\n"), false, true, &["no-appendfsync-on-rewrite"]),
    ];
    for (settings, durable, kept, warnings) in servers {
        let redis = Redis::with(&settings);
        let (capabilities, health) = open(&redis.uri()).await.unwrap();
        let told = health.warnings.join("\n");
        assert_eq!((capabilities.durability, capabilities.at_least_once), (durable, kept), "{settings}{told}");
        assert!(warnings.iter().all(|part| told.contains(part)), "{settings}{told}");
        assert_eq!(told.is_empty(), warnings.is_empty(), "{settings}{told}");
    }
}

#[tokio::test]
async fn a_cluster_that_one_node_can_take_along_is_warned_of() {
    let cluster = Cluster::in_memory(0);
    let warns = async || {
        let (_, health) = open(&cluster.uri()).await.unwrap();
        health.warnings.iter().any(|told| told.contains("cluster-require-full-coverage no"))
    };
    let set = |node: &Redis, value: &str| {
        node.ask(&["CONFIG", "SET", "cluster-require-full-coverage", value]).expect("the node answers");
    };
    assert!(warns().await);
    cluster.nodes.iter().for_each(|node| set(node, "no"));
    assert!(!warns().await);
    set(&cluster.nodes[1], "yes");
    assert!(warns().await, "also where it is one node alone");
}

#[tokio::test]
async fn a_pool_that_may_not_ask_says_so() {
    let redis = Redis::with("user sukkal on >secret ~* &* +@all -config\n");
    let uri = redis.uri().replace("//", "//sukkal:secret@");
    let (capabilities, health) = open(&uri).await.unwrap();
    assert!(!capabilities.durability && !capabilities.at_least_once);
    assert!(health.warnings[0].contains("cannot be read"), "{:?}", health.warnings);
    let error = open(&uri.replace("secret", "wrong")).await.unwrap_err();
    assert!(error.contains("refuses its user") && !error.contains("wrong@"), "{error}");
}

/// Those that the plugin's README names.
#[test]
fn a_user_with_few_rights_is_enough() {
    let rights = "~sukkal:* resetchannels &sukkal:hints +@all -@dangerous +info +config|get";
    let redis = Redis::with(&format!("user few on >secret {rights}\n"));
    keeps(&redis.uri().replace("//", "//few:secret@"), "pool.[csw]*");
}

#[tokio::test]
async fn warnings_are_in_the_hosts_log_and_silence_is_silent() {
    let redis = Redis::with("maxmemory-policy allkeys-lru\n");
    let host = Host::with().top(&format!("default_pool = {:?}", redis.uri())).start().await;
    assert!(host.log().contains("messages can vanish"), "{}", host.log());
    let sound = REDIS.host().start().await;
    assert!(!sound.log().contains("WARN"), "{}", sound.log());
}

#[tokio::test]
async fn a_server_is_one_pool_in_whatever_spelling() {
    let redis = Redis::with("appendonly yes\nappendfsync always\nuser sukkal on >secret ~* &* +@all\n");
    let host = poolless().await;
    let port = redis.port();
    pool(&host, "p1", &format!("redis://127.0.0.1:{port}/0?prefix=one&timeout_ms=500")).await;
    for uri in [
        format!("redis://127.0.0.1:{port}?prefix=one"),
        format!("redis://127.0.0.1:{port}?timeout_ms=700&prefix=one"),
        format!("redis://sukkal:secret@127.0.0.1:{port}?connect_timeout_ms=300&prefix=one&dbid=0"),
    ] {
        let refused = register(&host, "p2", json!({ "uri": uri, "weight": 1 })).await;
        assert_eq!(refused.status, 409, "{uri}: {}", refused.text());
        assert!(refused.text().contains("It is that of the pool p1."), "{}", refused.text());
    }
    pool(&host, "p1", &format!("redis://sukkal:secret@127.0.0.1:{port}?prefix=one")).await;
    pool(&host, "p2", &format!("redis://127.0.0.1:{port}?prefix=two")).await;
}

#[tokio::test]
async fn a_server_is_one_pool_also_while_one_of_its_addresses_leads_nowhere() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port()).await;
    let mut host = poolless().await;
    let through = format!("redis://127.0.0.1:{}?connect_timeout_ms=300", proxy.port());
    pool(&host, "p1", &through).await;
    proxy.swallow();
    // It has not heard of the first one which store it is.
    host.kill();
    host.start_again().await;
    let refused = register(&host, "p2", json!({ "uri": redis.uri(), "weight": 1 })).await.expect(409).text();
    assert!(refused.contains("It is that of the pool p1."), "{refused}");
    proxy.restore();
    pool(&host, "p1", &redis.uri()).await;
    register(&host, "p2", json!({ "uri": through, "weight": 1 })).await.expect(409);
    host.client().delete("/v2/pools/p1").await.expect(204);
    pool(&host, "p2", &through).await;
}

#[tokio::test]
async fn warnings_are_in_the_list_of_pools_and_durability_is_not_claimed() {
    let redis = Redis::with("appendonly yes\nappendfsync always\nmaxmemory-policy allkeys-lru\n");
    let host = poolless().await;
    pool(&host, "p1", &redis.uri()).await;
    host.client().put("/v2/flavors/f", json!({ "pool_list": ["p1"] })).await.expect(201);
    let listed = host.client().get("/v2/pools?detailed=true").await.expect(200).json();
    let warnings = listed["pools"][0]["warnings"].to_string();
    assert!(warnings.contains("messages can vanish") && warnings.contains("allkeys-lru"), "{listed}");
    let flavor = host.client().get("/v2/flavors/f?detailed=true").await.expect(200).json();
    let capabilities = flavor["capabilities"].to_string();
    assert!(capabilities.contains("CLAIMS"), "{flavor}");
    assert!(!capabilities.contains("DURABILITY") && !capabilities.contains("AOD"), "{flavor}");
}

#[tokio::test]
async fn durability_is_claimed_no_more_once_a_server_is_set_in_another_way() {
    let redis = Redis::start();
    let mut host = poolless().await;
    pool(&host, "p1", &redis.uri()).await;
    host.client().put("/v2/flavors/f", json!({ "pool_list": ["p1"] })).await.expect(201);
    let claimed = async |host: &Host| {
        let flavor = host.client().get("/v2/flavors/f?detailed=true").await.expect(200).json();
        let capabilities = flavor["capabilities"].to_string();
        ["CLAIMS", "DURABILITY", "AOD"].map(|name| capabilities.contains(name))
    };
    assert_eq!(claimed(&host).await, [true; 3]);
    for (name, value) in [("maxmemory-policy", "allkeys-lru"), ("appendfsync", "no")] {
        redis.ask(&["CONFIG", "SET", name, value]).expect("the server answers");
    }
    // Nobody asks for the pool's health but the host itself.
    let no_more = async || (claimed(&host).await == [true, false, false]).then_some(());
    eventually("the host finds out", SOON * 4, no_more).await;
    let listed = host.client().get("/v2/pools?detailed=true").await.expect(200).json();
    assert!(listed["pools"][0]["warnings"].to_string().contains("messages can vanish"), "{listed}");
    host.kill();
    host.start_again().await;
    let no_more = async || (claimed(&host).await == [true, false, false]).then_some(());
    eventually("nor after a restart", SOON, no_more).await;
}

#[test]
fn what_cannot_be_a_pool_is_refused_with_the_reason() {
    let standalone = Redis::start();
    for (uri, reason) in [
        ("redis://127.0.0.1:1".to_owned(), "cannot be reached"),
        // A network that is reserved for documentation: nobody answers.
        ("redis://192.0.2.1?connect_timeout_ms=500".to_owned(), "cannot be reached"),
        ("redis://a,b".to_owned(), "several hosts need master=NAME"),
        (format!("{}?colour=red", standalone.uri()), "no parameter colour"),
        (format!("{}?prefix=a{{b}}", standalone.uri()), "prefix must be"),
        (format!("{}?cluster=true", standalone.uri()), "cluster"),
        ("rediss://localhost?ca_file=/nowhere.pem".to_owned(), "ca_file cannot be read"),
    ] {
        let host = Host::with().top(&format!("default_pool = {uri:?}")).prepare();
        let output = host.serve().output().expect("it can be started");
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(reason), "{uri}: {told}");
    }
}

#[tokio::test]
async fn everything_works_in_a_cluster_whatever_names_are_made_of() {
    let mut cluster = Cluster::start();
    let host = Host::with().top(&format!("default_pool = {:?}", cluster.uri())).start().await;
    for project in ["{a}{b}", "}{", "plain"] {
        let client = host.client().of_project(project);
        for number in 0..8 {
            let queue = host.queue(&format!("q{number}")).seen_by(client.clone());
            let dead = host.queue(&format!("dead{number}")).seen_by(client.clone());
            let rule = json!({ "_max_claim_count": 1, "_dead_letter_queue": format!("dead{number}") });
            queue.create(rule).await;
            queue.post(["bad", "good"]).await;
            queue.claim(1).await.release().await;
            assert_eq!(queue.claim(2).await.bodies(), ["good"]);
            assert_eq!(dead.list("?echo=true").await.bodies(), ["bad"]);
            assert_eq!((queue.counts().await, dead.counts().await), ([0, 1, 1], [1, 0, 1]));
            client.post(&queue.path("/purge"), json!({ "resource_types": ["messages"] })).await.expect(204);
            assert_eq!(queue.counts().await, [0, 0, 0]);
            client.delete(&queue.path("")).await.expect(204);
            assert!(queue.list("?echo=true&include_claimed=true").await.messages.is_empty());
        }
    }
    let queue = host.queue("stays");
    queue.post(["a"]).await;
    for node in &mut cluster.nodes {
        node.kill();
        node.start_again();
    }
    let there = async || {
        let answer = queue.client().get(&queue.path("/messages?echo=true")).await;
        (answer.status == 200).then(|| answer.json()["messages"][0]["body"].clone())
    };
    assert_eq!(eventually("the cluster is back", SOON * 3, there).await, "a");
    assert!(!host.log().contains("CROSSSLOT") && !host.log().contains("non local key"), "{}", host.log());
}

/// In a cluster each lives where its name falls: a move is possible only between neighbours.
#[tokio::test]
async fn a_dead_letter_queue_that_is_there_already_serves_many_in_a_cluster() {
    let cluster = Cluster::start();
    let host = Host::with().top(&format!("default_pool = {:?}", cluster.uri())).start().await;
    let dead = host.queue("dead");
    dead.post(["by hand"]).await;
    let rule = json!({ "_max_claim_count": 1, "_dead_letter_queue": "dead" });
    for number in 0..8 {
        let queue = host.queue(&format!("q{number}"));
        queue.create(rule.clone()).await;
        queue.post([format!("bad {number}")]).await;
        queue.claim(1).await.release().await;
        assert!(queue.try_claim(1).await.is_none());
    }
    assert_eq!(dead.counts().await, [9, 0, 9]);
}

#[tokio::test]
async fn a_dead_letter_queue_made_anew_lies_beside_those_that_name_it() {
    let cluster = Cluster::start();
    let host = Host::with().top(&format!("default_pool = {:?}", cluster.uri())).start().await;
    for number in 0..4 {
        let (queue, dead) = (host.queue(&format!("q{number}")), host.queue(&format!("dead{number}")));
        queue.create(json!({ "_max_claim_count": 1, "_dead_letter_queue": format!("dead{number}") })).await;
        queue.post(["bad"]).await;
        queue.claim(1).await.release().await;
        host.client().delete(&dead.path("")).await.expect(204);
        assert!(queue.try_claim(1).await.is_none(), "it has used up its claims");
        dead.create(json!({ "made": "anew" })).await;
        let moved = async || (dead.list("?echo=true").await.bodies() == ["bad"]).then_some(());
        eventually("what waited is moved", SOON, moved).await;
    }
}

#[tokio::test]
async fn an_empty_dead_letter_queue_moves_beside_a_queue_that_is_there_before() {
    let cluster = Cluster::start();
    let host = Host::with().top(&format!("default_pool = {:?}", cluster.uri())).start().await;
    let rule = |dead: &str| {
        json!([
            { "op": "add", "path": "/metadata/_max_claim_count", "value": 1 },
            { "op": "add", "path": "/metadata/_dead_letter_queue", "value": dead },
        ])
    };
    for number in 0..8 {
        let (queue, dead) = (host.queue(&format!("q{number}")), host.queue(&format!("dead{number}")));
        queue.post(["bad", "good"]).await;
        dead.create(json!({ "kept": number })).await;
        dead.post(["gone"]).await;
        assert_eq!(dead.pop(1).await.len(), 1);
        host.client().patch(&queue.path(""), rule(&format!("dead{number}"))).await.expect(200);
        queue.claim(1).await.release().await;
        assert_eq!(queue.claim(2).await.bodies(), ["good"]);
        assert_eq!(dead.list("?echo=true").await.bodies(), ["bad"]);
        assert_eq!(host.client().get(&dead.path("")).await.expect(200).json()["kept"], number);
    }
    // One that holds messages stays, and so does one that others use, unless it happens to lie there.
    let full = host.queue("full");
    full.post(["a"]).await;
    let mut refusals = Vec::new();
    for number in 8..16 {
        let queue = host.queue(&format!("q{number}"));
        queue.post(["b"]).await;
        for (dead, why) in [("full", "It holds messages."), ("dead0", "Other queues send it their dead letters.")] {
            let answer = host.client().patch(&queue.path(""), rule(dead)).await;
            if answer.status != 200 {
                let text = answer.expect(400).json()["description"].as_str().unwrap_or_default().to_owned();
                assert!(text.contains(why) && text.contains("name a queue that does not exist yet"), "{text}");
                refusals.push(text);
            }
        }
    }
    assert!(refusals.len() > 8, "{refusals:?}");
    assert_eq!(full.list("?echo=true").await.bodies(), ["a"]);
}

#[tokio::test]
async fn another_server_at_the_default_pools_address_is_warned_of_once() {
    let redis = Redis::in_memory();
    let mut host = Host::with().top(&format!("default_pool = {:?}", redis.uri())).start().await;
    let restart = async |host: &mut Host| {
        assert!(host.stop().await.success());
        let old = host.log().len();
        host.start_again().await;
        host.log()[old..].matches("the default pool has another store").count()
    };
    assert_eq!(restart(&mut host).await, 0);
    // What is there from then on is none that the service has seen.
    redis.ask(&["FLUSHALL"]).expect("the server answers");
    assert_eq!(restart(&mut host).await, 1);
    assert_eq!(restart(&mut host).await, 0);
}
