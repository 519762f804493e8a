//! What operators read: requests, stores, filters, plugins and queues as Prometheus sees them.

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::pools::{patch, pool, poolless};
use sukkal_tests::stores::MEMORY;
use sukkal_tests::tls::{Authority, HOST};
use sukkal_tests::{Host, Scrape, eventually, programs};

const METRICS: &str = "/metrics";

async fn scrape(host: &Host) -> Scrape {
    Scrape::of(&host.pages(), METRICS).await
}

#[tokio::test]
async fn requests_are_counted_by_action_transport_and_outcome() {
    let host = Host::start().await;
    let orders = host.queue("orders");
    orders.post(["a", "b", "c"]).await;
    orders.list("?echo=true").await;
    orders.claim(2).await;
    host.client().get("/v2/queues/orders/messages/none").await.expect(404);
    host.client().get("/v2/queues/no%20name").await.expect(400);
    let scrape = scrape(&host).await;
    let of = |action: &str, outcome: &str| {
        let labels = [("action", action), ("transport", "rest"), ("outcome", outcome)];
        scrape.sum("sukkal_requests_total", &labels)
    };
    assert_eq!([of("message_post", "ok"), of("message_list", "ok"), of("claim_create", "ok")], [1.0; 3]);
    assert_eq!([of("message_get", "refused"), of("queue_get", "refused")], [1.0; 2]);
    let messages = |action| scrape.sum("sukkal_request_messages_total", &[("action", action)]);
    assert_eq!(["message_post", "message_list", "claim_create"].map(messages), [3.0, 3.0, 2.0]);
    let timed = scrape.sum("sukkal_request_duration_seconds_count", &[("action", "message_post")]);
    let within = scrape.sum("sukkal_request_duration_seconds_bucket", &[("action", "message_post"), ("le", "+Inf")]);
    assert_eq!([timed, within], [1.0; 2]);
}

#[tokio::test]
async fn calls_of_stores_are_counted_by_store_plugin_and_method() {
    let host = Host::start().await;
    host.queue("orders").post(["a"]).await;
    let scrape = scrape(&host).await;
    // In the catalog are the queue and, since the first start, which store the default pool has.
    for (kind, store, method, due) in [("pool", "default", "post", 1.0), ("catalog", "catalog", "commit", 2.0)] {
        let labels = [("kind", kind), ("store", store), ("plugin", "sqlite"), ("method", method), ("outcome", "ok")];
        assert_eq!(scrape.sum("sukkal_store_calls_total", &labels), due, "{store} {method}");
        let timed = scrape.sum("sukkal_store_call_duration_seconds_count", &labels[..4]);
        assert_eq!(timed, due, "{store} {method}");
    }
}

#[tokio::test]
async fn a_pool_that_is_deleted_is_counted_no_more() {
    let host = poolless().await;
    let series = async |name: &str| {
        let scrape = scrape(&host).await;
        ["sukkal_store_calls_total", "sukkal_store_call_duration_seconds_count"]
            .map(|family| scrape.found(family, &[("store", name)]).count())
    };
    for name in ["kept", "deleted"] {
        pool(&host, name, &format!("memory:{name}")).await;
        patch(&host, &format!("/v2/pools/{name}"), json!({ "weight": 0 })).await.expect(200);
        eventually("it is swept", SOON, async || (series(name).await > [0, 0]).then_some(())).await;
    }
    host.client().delete("/v2/pools/deleted").await.expect(204);
    eventually("its series are gone", SOON, async || (series("deleted").await == [0, 0]).then_some(())).await;
    assert!(series("kept").await > [0, 0]);
    pool(&host, "deleted", "memory:deleted").await;
    eventually("the next of its name is swept", SOON, async || (series("deleted").await > [0, 0]).then_some(())).await;
}

#[tokio::test]
async fn nothing_that_a_client_can_make_up_is_a_label() {
    let host = Host::start().await;
    let client = host.client().of_project("a-tenant");
    client.put("/v2/queues/a-queue", json!({})).await.expect(201);
    client.get("/v2/queues/a-queue/messages/a-message").await.expect(404);
    client.get("/v2/a-path").await.expect(404);
    client.request("A-METHOD", "/v2/queues").send().await;
    let text = host.pages().get(METRICS).await.expect(200).text();
    for made_up in ["a-tenant", "a-queue", "a-message", "a-path", "A-METHOD", sukkal_tests::rest::CLIENT] {
        assert!(!text.contains(made_up), "{made_up}");
    }
}

fn misbehaving(section: &str) -> sukkal_tests::host::Setup {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    Host::with().plugins(libraries).section(section)
}

#[tokio::test]
async fn a_filter_that_panics_or_does_not_come_back_is_named() {
    for (does, outcome, status) in
        [("panic_text", "panicked", 500), ("late_panic_number", "panicked", 500), ("slow", "timed_out", 503)]
    {
        let section = format!("[filters.misbehaves]\ndoes = \"{does}\"\nat = \"request\"\ntimeout = 1");
        let host = misbehaving(&section).top("pipeline = [\"misbehaves\"]").start().await;
        host.client().put("/v2/queues/orders", json!({})).await.expect(status);
        let scrape = scrape(&host).await;
        let labels = [("filter", "misbehaves"), ("plugin", "misbehaves"), ("moment", "request"), ("outcome", outcome)];
        assert_eq!(scrape.sum("sukkal_filter_calls_total", &labels), 1.0, "{does}");
        let failed = if status == 500 { "failed" } else { "timed_out" };
        let request = [("action", "queue_create"), ("outcome", failed)];
        assert_eq!(scrape.sum("sukkal_requests_total", &request), 1.0, "{does}");
    }
}

#[tokio::test]
async fn a_store_that_panics_is_named() {
    let section = "[plugins.misbehaves]\ndoes = \"panic_text\"\nat = \"post\"";
    let host = misbehaving(section).top("default_pool = \"misbehaves:\"").start().await;
    let message = json!({ "messages": [{ "body": 1 }] });
    let status = host.client().post("/v2/queues/orders/messages", message).await.status;
    assert!(status >= 500, "{status}");
    let labels = [("store", "default"), ("plugin", "misbehaves"), ("method", "post"), ("outcome", "panicked")];
    assert_eq!(scrape(&host).await.sum("sukkal_store_calls_total", &labels), 1.0);
}

#[tokio::test]
async fn filters_count_for_themselves_under_their_plugins_names() {
    let section = "[filters.rate-limit]\npost = { per_second = 1, burst = 1 }";
    // A post that waits for the disk would leave room for the next one.
    let host = MEMORY.host().top("pipeline = [\"audit\", \"rate-limit\"]").section(section).start().await;
    for status in [201, 503] {
        let messages = json!({ "messages": [{ "body": 1 }] });
        host.client().post("/v2/queues/q/messages", messages).await.expect(status);
    }
    let limited = [("plugin", "filter-rate-limit"), ("family", "post")];
    let audited = [("plugin", "filter-audit")];
    eventually("both filters have counted", SOON, async || {
        let scrape = scrape(&host).await;
        let lines = scrape.sum("sukkal_plugin_audit_lines_written_total", &audited);
        (scrape.sum("sukkal_plugin_rate_limited_total", &limited) == 1.0 && lines == 2.0).then_some(())
    })
    .await;
    let scrape = scrape(&host).await;
    assert_eq!(scrape.sum("sukkal_requests_total", &[("action", "message_post"), ("outcome", "filtered")]), 1.0);
    assert_eq!(scrape.found("sukkal_plugin_info", &audited).count(), 1);
}

#[tokio::test]
async fn a_store_tells_how_it_commits() {
    let host = Host::start().await;
    host.queue("orders").post(["a"]).await;
    let scrape = scrape(&host).await;
    for file in ["catalog", "pool"] {
        let labels = [("plugin", "sqlite"), ("file", file)];
        let commits = scrape.sum("sukkal_plugin_sqlite_commit_duration_seconds_count", &labels);
        let requests = scrape.sum("sukkal_plugin_sqlite_commit_requests_sum", &labels);
        assert!(commits >= 1.0 && requests >= commits, "{file}: {commits} commits for {requests} requests");
    }
}

#[tokio::test]
async fn connections_and_the_process_are_measured() {
    let host = Host::start().await;
    let mut idle = sukkal_tests::wire::Wire::connect(host.address()).await;
    idle.send(sukkal_tests::wire::head("GET", "/v2/ping", "")).await;
    idle.reply().await.expect("an answer");
    let open = [("transport", "rest")];
    let seen = scrape(&host).await;
    assert!(seen.sum("sukkal_connections", &open) >= 1.0);
    assert!(seen.sum("sukkal_connections_accepted_total", &open) >= 1.0);
    let resident = host.resident() as f64;
    let told = seen.sum("process_resident_memory_bytes", &[]);
    assert!(told > resident / 2.0 && told < resident * 2.0, "{told} told, {resident} seen");
    assert!(seen.sum("process_open_fds", &[]) > 5.0);
    drop(idle);
    eventually("the connection is gone", SOON, async || {
        (scrape(&host).await.sum("sukkal_connections", &open) == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_depths_of_queues_are_told_on_request_page_by_page() {
    let host = Host::start().await;
    for name in ["a", "b", "c"] {
        let queue = host.queue(name);
        queue.post(["1", "2", "3"]).await;
        queue.claim(1).await;
    }
    host.client().put("/v2/queues/d", json!({})).await.expect(201);
    host.client().of_project("p 2").put("/v2/queues/other", json!({})).await.expect(201);
    let pages = host.pages();
    let path = "/metrics/queues?project=p1&limit=2";
    let first = Scrape::of(&pages, path).await;
    for queue in ["a", "b"] {
        let depth =
            |state| first.sum("sukkal_queue_messages", &[("project", "p1"), ("queue", queue), ("state", state)]);
        assert_eq!(["free", "claimed", "exhausted"].map(depth), [2.0, 1.0, 0.0]);
        let age = first.sum("sukkal_queue_oldest_message_age_seconds", &[("queue", queue)]);
        assert!((0.0..60.0).contains(&age), "{age}");
    }
    assert_eq!(first.found("sukkal_queue_messages", &[]).count(), 6, "a page has two queues");
    assert_eq!(first.sum("sukkal_queues_truncated", &[]), 1.0);
    let link = pages.get(path).await.header("link").to_owned();
    let next = link.split(['<', '>']).nth(1).expect("a link to the next page").to_owned();
    let second = Scrape::of(&pages, &next).await;
    let queues: Vec<_> = second.found("sukkal_queue_messages", &[("state", "free")]).collect();
    assert_eq!(queues.iter().map(|sample| sample.labels["queue"].as_str()).collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(second.found("sukkal_queue_oldest_message_age_seconds", &[("queue", "d")]).count(), 0);
    let other = Scrape::of(&pages, "/metrics/queues?project=p%202").await;
    assert_eq!(other.found("sukkal_queue_messages", &[("project", "p 2"), ("queue", "other")]).count(), 3);
    assert_eq!(other.sum("sukkal_queues_truncated", &[]), 0.0);
    for wrong in ["", "?project=", "?project=p1&limit=0", "?project=p1&limit=1001", "?project=p1&limit=x"] {
        pages.get(&format!("/metrics/queues{wrong}")).await.expect(400);
    }
}

/// The table of metrics in `docs/operating/watching.md`: name, kind and labels of each.
fn documented() -> Vec<(String, String, Vec<String>)> {
    let page = std::fs::read_to_string(programs::checkout("docs/operating/watching.md")).expect("the page");
    let (_, table) = page.split_once("| metric | kind | labels |").expect("a table of metrics");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let mut cell = || cells.next().expect("four cells").replace('`', "");
        let (name, kind, labels) = (cell(), cell(), cell());
        (name, kind, labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect())
    })
    .collect()
}

#[tokio::test]
async fn the_operators_guide_names_every_metric_with_its_labels_and_no_other() {
    let section = "[filters.rate-limit]\npost = { per_second = 1, burst = 1 }";
    let tls = "tls = { cert = \"host.pem\", key = \"host.key\" }";
    let setup = MEMORY.host().top("pipeline = [\"audit\", \"rate-limit\"]").section(section).websocket(tls);
    let mut host = setup.prepare();
    Authority::default().issue(host.folder(), HOST);
    host.start_again().await;
    let queue = host.queue("orders");
    queue.post(["a"]).await;
    let again = json!({ "messages": [{ "body": 1 }] });
    host.client().post("/v2/queues/orders/messages", again).await.expect(503);
    host.reload(|text| text).await;
    let mut metrics = scrape(&host).await.metrics();
    metrics.extend(Scrape::of(&host.pages(), "/metrics/queues?project=p1").await.metrics());
    // What plugins count is in their own pages.
    metrics.retain(|name, _| !name.starts_with("sukkal_plugin_") || name == "sukkal_plugin_info");
    let documented = documented();
    for (name, kind, labels) in &documented {
        // Counted only once a plugin has done what it should not.
        if name == "sukkal_plugin_metrics_dropped_total" {
            continue;
        }
        let (of, with) = metrics.remove(name).unwrap_or_else(|| panic!("{name} is documented, and not there"));
        assert_eq!((&of, with), (kind, labels.iter().cloned().collect()), "{name}");
    }
    assert_eq!(metrics.into_keys().collect::<Vec<_>>(), Vec::<String>::new(), "not documented");
}
