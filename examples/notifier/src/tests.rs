//! The notifier as the service will call it: through the boundary, against a server that listens.

use std::time::Duration;

use sukkal_plugin_sdk::testing::{Bench, delivery};
use sukkal_plugin_sdk::tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use sukkal_plugin_sdk::tokio::net::TcpListener;
use sukkal_plugin_sdk::tokio::{self, task::JoinHandle};
use sukkal_plugin_sdk::{Call, ErrorKind, Outcome, RequestId, Subscriber};

use super::{ExampleNotifier, Settings};

type Tested = Result<(), Box<dyn std::error::Error>>;

/// A server that takes one line and gives one answer; its URI, and what it was sent.
async fn server(
    answer: &'static str,
) -> std::io::Result<(String, JoinHandle<std::io::Result<String>>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let uri = format!("example://{}", listener.local_addr()?);
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).await?;
        stream.write_all(answer.as_bytes()).await?;
        Ok(line)
    });
    Ok((uri, serving))
}

#[tokio::test]
async fn a_delivery_is_one_line_and_ok_is_its_receipt() -> Tested {
    let bench = Bench::new();
    let notifier = bench
        .notifier(ExampleNotifier::open, Settings::default())
        .await?;
    let (uri, serving) = server("ok\n").await?;
    let outcome = notifier
        .deliver(&bench.call(), delivery(&uri, "{\"body\":\n\"a\\nb\"}"))
        .await?;
    assert_eq!(outcome, Outcome::Delivered);
    assert_eq!(serving.await??, "{\"body\": \"a\\nb\"}\n");
    Ok(())
}

#[tokio::test]
async fn what_the_server_says_decides() -> Tested {
    let bench = Bench::new();
    let notifier = bench
        .notifier(ExampleNotifier::open, Settings::default())
        .await?;
    let (uri, _serving) = server("gone\n").await?;
    let outcome = notifier
        .deliver(&bench.call(), delivery(&uri, "{}"))
        .await?;
    assert!(matches!(outcome, Outcome::Gone { .. }), "{outcome:?}");
    let (uri, _serving) = server("too busy\n").await?;
    let outcome = notifier
        .deliver(&bench.call(), delivery(&uri, "{}"))
        .await?;
    assert!(
        matches!(&outcome, Outcome::Failed { reason, .. } if reason.contains("too busy")),
        "{outcome:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_attempt_ends_by_the_calls_deadline() -> Tested {
    let bench = Bench::new();
    let notifier = bench
        .notifier(ExampleNotifier::open, Settings::default())
        .await?;
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let uri = format!("example://{}", silent.local_addr()?);
    let call = Call::new(
        RequestId(1),
        "p",
        bench.clock().now().after(Duration::from_millis(20)),
    );
    let outcome = notifier.deliver(&call, delivery(&uri, "{}")).await;
    assert_eq!(
        outcome.err().map(|error| error.kind),
        Some(ErrorKind::TimedOut)
    );
    Ok(())
}

#[tokio::test]
async fn an_address_that_the_operator_refuses_is_left_alone() -> Tested {
    let bench = Bench::new();
    let notifier = bench
        .notifier(ExampleNotifier::open, Settings::default())
        .await?;
    bench.refuse_addresses();
    let (uri, serving) = server("ok\n").await?;
    let outcome = notifier.deliver(&bench.call(), delivery(&uri, "{}")).await;
    assert_eq!(
        outcome.err().map(|error| error.kind),
        Some(ErrorKind::Forbidden)
    );
    assert!(!serving.is_finished(), "somebody has connected");
    Ok(())
}

#[tokio::test]
async fn a_subscriber_that_names_no_server_is_refused_when_it_subscribes() -> Tested {
    let bench = Bench::new();
    let notifier = bench
        .notifier(ExampleNotifier::open, Settings::default())
        .await?;
    let subscriber = |uri: &str| Subscriber {
        uri: uri.to_owned(),
        ..delivery(uri, "{}").subscriber
    };
    for uri in [
        "example:",
        "example://",
        "example://host",
        "example://:7000",
        "example://host:0",
        "example://host:http",
    ] {
        let refused = notifier.check(&bench.call(), subscriber(uri)).await;
        assert_eq!(
            refused.err().map(|error| error.kind),
            Some(ErrorKind::Invalid),
            "{uri}"
        );
    }
    let taken = notifier
        .check(&bench.call(), subscriber("example://host:7000"))
        .await?;
    assert_eq!(taken.uri, "example://host:7000");
    Ok(())
}
