//! Pages of other origins: those that the operator names may use the API, no others.

use serde_json::{Value, json};
use sukkal_tests::browser::Site;
use sukkal_tests::rest::Answer;
use sukkal_tests::{Host, programs};
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};

const PAGE: &str = include_str!("cors.html");
const APP: &str = "https://app.example.org";

async fn host(origin: &str) -> Host {
    let cors = format!("[cors]\nallowed_origin = [\"{APP}\", \"{origin}\"]");
    Host::with().top("default_pool = \"memory:\"").section(&cors).start().await
}

async fn preflight(host: &Host, origin: &str, method: &str, headers: &str) -> Answer {
    let client = host.client();
    let request = client.request("OPTIONS", "/v2/queues/orders").without("client-id").without("x-project-id");
    let request = request.header("origin", origin).header("access-control-request-method", method);
    request.header("access-control-request-headers", headers).send().await.expect(200)
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_uses_queues_and_reads_errors() {
    let mut site = Site::of(PAGE).await;
    let host = host(&site.origin()).await;
    let seen = site.visit(&format!("api={}", host.base())).await;
    assert_eq!(seen["put"]["status"], 201, "{seen}");
    assert_eq!(seen["put"]["location"], "/v2/queues/orders", "{seen}");
    assert_eq!(seen["post"]["status"], 201);
    assert_eq!(seen["claim"]["json"]["messages"][0]["body"], "from a page");
    assert_eq!(seen["error"]["status"], 400);
    assert_eq!(seen["error"]["json"]["title"], "Invalid API request");
    assert!(seen["error"]["id"].as_str().is_some_and(|id| id.starts_with("req-")));
    assert_eq!(seen["remove"]["status"], 204);
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_by_its_browser() {
    let mut site = Site::of(PAGE).await;
    let host = host(APP).await;
    let seen = site.visit(&format!("api={}", host.base())).await;
    let refused = json!({ "refused": "TypeError" });
    let all = ["put", "post", "claim", "error", "remove"].map(|name| (name, refused.clone()));
    assert_eq!(seen, all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Value>());
    let listed = host.client().get("/v2/queues").await.expect(200).json();
    assert_eq!(listed["queues"], json!([]), "what is asked for is not done either");
}

#[tokio::test]
async fn a_preflight_says_what_was_asked_or_nothing() {
    let host = host("http://localhost:3000").await;
    let asked = "Client-ID, x-project-id, idempotency-key, content-type";
    for origin in [APP, "http://localhost:3000"] {
        let answer = preflight(&host, origin, "PATCH", asked).await;
        let said = ["origin", "credentials", "methods", "headers"]
            .map(|name| answer.header(&format!("access-control-allow-{name}")).to_owned());
        assert_eq!(said, [origin, "true", "PATCH", asked]);
        assert_eq!(answer.header("access-control-max-age"), "3600");
        assert_eq!(answer.header("vary"), "Origin");
    }
    for (origin, method, headers) in [
        ("https://evil.example.org", "GET", "client-id"),
        ("https://app.example.org.evil.org", "GET", "client-id"),
        ("http://app.example.org", "GET", "client-id"),
        ("null", "GET", "client-id"),
        (APP, "TRACE", "client-id"),
        (APP, "GET", "client-id, x-secret"),
    ] {
        let answer = preflight(&host, origin, method, headers).await;
        let told = answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
        assert_eq!(told, None, "{origin} {method} {headers}");
    }
}

#[tokio::test]
async fn errors_too_are_readable_for_allowed_origins_alone() {
    let host = host(APP).await;
    for path in ["/v2/queues/a%20b/messages", "/v2/nothing", "/v2/queues?limit=0"] {
        let client = host.client();
        let of = async |origin| client.request("GET", path).header("origin", origin).send().await;
        let allowed = of(APP).await;
        assert!(allowed.status >= 400, "{path}");
        assert_eq!(allowed.header("access-control-allow-origin"), APP, "{path}");
        assert!(allowed.header("access-control-expose-headers").contains("Location"), "{path}");
        assert_eq!(of("https://evil.example.org").await.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn caches_are_told_that_answers_differ_by_the_page_that_asks() {
    let host = host(APP).await;
    let client = host.client();
    let varies = |answer: &Answer| answer.headers.get_all("vary").iter().filter(|value| *value == "Origin").count();
    for path in ["/v2/ping", "/v2/queues", "/v2/nothing"] {
        for origin in ["", APP, "https://evil.example.org"] {
            let request = client.request("GET", path);
            let request = if origin.is_empty() { request } else { request.header("origin", origin) };
            assert_eq!(varies(&request.send().await), 1, "{path} for {origin:?}");
        }
    }
    let none = Host::start().await;
    assert_eq!(varies(&none.client().get("/v2/queues").await), 0, "nothing differs where no page is named");
}

#[tokio::test]
async fn every_kind_of_refusal_is_readable() {
    let libraries = [programs::library("sukkal-memory"), programs::bad_library("misbehaves")];
    // No pool, so that posts are answered with 503.
    let stores = "catalog = \"memory:\"\ndefault_pool = \"\"\npipeline = [\"misbehaves\"]";
    let section = format!(
        "[filters.misbehaves]\ndoes = \"identifies\"\nat = \"authenticate\"\n[api]\nadmin_mode = true\n\
         [cors]\nallowed_origin = [\"{APP}\"]"
    );
    let host = Host::with().plugins(libraries).top(stores).section(&section).start().await;
    let client = host.client();
    let post = r#"{"messages":[{"body":1}]}"#;
    for (method, path, token, accept, status) in [
        ("GET", "/v2/queues?limit=0", "lasts-60", "*/*", 400),
        ("POST", "/v2/queues/q/messages", "nobody", "*/*", 401),
        ("GET", "/v2/pools", "lasts-60", "*/*", 403),
        ("GET", "/v2/nothing", "lasts-60", "*/*", 404),
        ("GET", "/v2/queues/q/claims/c", "lasts-60", "*/*", 404),
        ("DELETE", "/v2/queues", "lasts-60", "*/*", 405),
        ("GET", "/v2/queues", "lasts-60", "text/plain", 406),
        ("POST", "/v2/queues/q/messages", "lasts-60", "*/*", 503),
    ] {
        let call = client.request(method, path).header("origin", APP).header("x-auth-token", token);
        let call = if method == "POST" { call.body(post) } else { call };
        let answer = call.header("accept", accept).send().await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), APP, "{status}");
        assert!(answer.header("access-control-expose-headers").contains("Location"), "{status}");
    }
}

#[tokio::test]
async fn all_origins_are_allowed_without_credentials_and_none_by_default() {
    let all = Host::with().section("[cors]\nallowed_origin = [\"*\"]").start().await;
    let answer = preflight(&all, "https://any.example.org", "GET", "client-id").await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let none = Host::start().await;
    let answer = preflight(&none, APP, "GET", "client-id").await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn the_websocket_is_for_named_pages_and_for_programs() {
    let host = host("https://other.example.org").await;
    let address = host.websocket_address();
    for (origin, status) in
        [(APP, 101), ("https://evil.example.org", 403), ("null", 403), (&format!("http://{address}"), 101)]
    {
        let mut request = format!("ws://{address}/").into_client_request().expect("the request is sound");
        request.headers_mut().insert("origin", origin.parse().expect("the origin is sound"));
        let stream = tokio::net::TcpStream::connect(&address).await.expect("the host listens");
        let seen = match tokio_tungstenite::client_async(request, stream).await {
            Ok((_, response)) => response.status(),
            Err(tungstenite::Error::Http(response)) => response.status(),
            Err(error) => panic!("{origin}: {error}"),
        };
        assert_eq!(seen, status, "{origin}");
    }
}
