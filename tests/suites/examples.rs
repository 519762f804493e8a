//! The examples that authors start from: each is loaded as it is built, and does what it says.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;

use sukkal_plugin_sdk::Outcome;
use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::{self, TestClock};
use sukkal_tests::{Host, programs};

#[tokio::test]
async fn the_example_stores_serve_a_host() {
    let libraries = ["sukkal-example-pool", "sukkal-example-catalog"].map(programs::library);
    let setup = Host::with().plugins(libraries).top("catalog = \"example:\"").top("default_pool = \"example:\"");
    let host = setup.start().await;
    let orders = host.queue("orders");
    orders.post(["a", "b", "c"]).await;
    orders.claim(2).await.release().await;
    let claim = orders.claim(3).await;
    assert_eq!(claim.bodies(), ["a", "b", "c"]);
    assert_eq!(orders.counts().await, [0, 3, 3]);
    assert_eq!(host.client().get("/v2/queues").await.expect(200).json()["queues"][0]["name"], "orders");
}

#[test]
fn the_example_stores_keep_every_promise_but_durability() {
    for package in ["sukkal-example-pool", "sukkal-example-catalog"] {
        let mut verify = Command::new(programs::sukkal());
        verify.args(["plugin", "verify"]).arg(programs::library(package));
        let output = verify.output().expect("the program can be started");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && told.contains(" 0 failed"), "{told}");
        let not_offered = told.lines().filter(|line| line.starts_with('-'));
        assert!(not_offered.clone().count() > 0, "{told}");
        let of_durability = |line: &str| [".restart.", ".crash.", ".over_kills"].iter().any(|part| line.contains(part));
        assert!(not_offered.clone().all(of_durability), "{told}");
    }
}

#[tokio::test]
async fn the_example_notifier_delivers_through_its_library() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let clock = TestClock::default();
    let library = Library::load(&programs::library("sukkal-example-notifier"), folder.path(), clock.services());
    let arguments = OpenArgs {
        which: "example".to_owned(),
        uri: "example".to_owned(),
        settings: "{}".to_owned(),
        data_dir: folder.path().to_string_lossy().into_owned(),
        host_id: "test".to_owned(),
        records: None,
        isolate: false,
    };
    let notifier = library.expect("the example loads").open_notifier(arguments).await.expect("it opens");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let uri = format!("example://{}", listener.local_addr().expect("it has an address"));
    let server = std::thread::spawn(move || -> std::io::Result<String> {
        let (mut stream, _) = listener.accept()?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        stream.write_all(b"ok\n")?;
        Ok(line)
    });
    let delivery = testing::delivery(&uri, r#"{"body": "hello"}"#);
    let outcome = notifier.deliver(&testing::call(&clock), delivery).await;
    assert_eq!(outcome.expect("the attempt is made"), Outcome::Delivered);
    assert_eq!(server.join().expect("the server ends").expect("it reads"), "{\"body\": \"hello\"}\n");
}
