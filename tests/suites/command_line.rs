//! Queues from the command line: what it prints, what it says when something is wrong, its status.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use serde_json::{Value, json};
use sukkal_tests::host::alone;
use sukkal_tests::{Host, programs};

/// The commands of a host's user, in project `p1`.
fn command(base: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::sukkal());
    alone(&mut command);
    command.args(arguments).env("SUKKAL_URL", base).env("SUKKAL_PROJECT", "p1");
    command
}

fn run(base: &str, arguments: &[&str]) -> Output {
    command(base, arguments).output().expect("the program can be started")
}

/// What is printed by a command that must succeed.
#[track_caller]
fn printed(host: &Host, arguments: &[&str]) -> String {
    let output = run(host.base(), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", told(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is said on standard error by a command that must fail.
#[track_caller]
fn refused(base: &str, arguments: &[&str], status: i32) -> String {
    let output = run(base, arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", told(&output));
    let told = told(&output);
    assert!(!told.contains("panicked"), "{told}");
    told
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Posts lines by way of standard input.
fn pipe(host: &Host, arguments: &[&str], lines: impl AsRef<[u8]>) -> Output {
    let mut command = command(host.base(), arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    let mut input = child.stdin.take().expect("standard input");
    let lines = lines.as_ref().to_vec();
    // In a thread of its own: both sides' pipes have a bound.
    let writer = thread::spawn(move || {
        // It may end before it has read everything.
        let _ = input.write_all(&lines);
    });
    let output = child.wait_with_output().expect("a process of ours can be waited for");
    writer.join().expect("the writer does not panic");
    output
}

#[tokio::test]
async fn a_queues_life() {
    let host = Host::start().await;
    assert_eq!(
        printed(&host, &["queue", "create", "orders", "--set", "colour=red", "--set", "n=5"]),
        "orders created\n"
    );
    assert!(printed(&host, &["queue", "create", "orders"]).contains("already"));
    assert_eq!(printed(&host, &["queue", "list"]), "orders\n");
    let ids = printed(&host, &["queue", "post", "orders", "\"a\"", "{\"b\":1,\"a\":1.50}", "3"]);
    assert_eq!(ids.lines().count(), 3);
    let shown: Value = serde_json::from_str(&printed(&host, &["queue", "show", "orders", "--json"])).expect("JSON");
    assert_eq!([&shown["free"], &shown["claimed"]], [3, 0]);
    assert_eq!([&shown["metadata"]["colour"], &shown["metadata"]["n"]], [&json!("red"), &json!(5)]);
    let peeked = printed(&host, &["queue", "peek", "orders"]);
    for (line, (id, body)) in peeked.lines().zip(ids.lines().zip(["\"a\"", "{\"b\":1,\"a\":1.50}", "3"])) {
        assert!(line.starts_with(id) && line.ends_with(body), "{line}");
    }
    let claimed = printed(&host, &["queue", "claim", "orders", "-n", "2", "--delete", "--json"]);
    for (line, body) in claimed.lines().zip(["\"a\"", "{\"b\":1,\"a\":1.50}"]) {
        assert!(line.contains(&format!("\"body\":{body}")), "{line}");
    }
    assert_eq!(host.queue("orders").counts().await, [1, 0, 1]);
    printed(&host, &["queue", "purge", "orders"]);
    assert_eq!(host.queue("orders").counts().await, [0, 0, 0]);
    printed(&host, &["queue", "delete", "orders"]);
    assert_eq!(printed(&host, &["queue", "list"]), "");
}

#[tokio::test]
async fn what_a_claim_holds_is_acknowledged_or_given_back() {
    let host = Host::start().await;
    let ids = host.queue("orders").post(["a", "b"]).await;
    let output = run(host.base(), &["queue", "claim", "orders", "-n", "2"]);
    let told = told(&output);
    let claim = told.split("claim ").nth(1).and_then(|rest| rest.split(';').next()).expect("the claim's id");
    assert_eq!(host.queue("orders").counts().await, [0, 2, 2]);
    printed(&host, &["queue", "ack", "orders", claim, &ids[0]]);
    printed(&host, &["queue", "release", "orders", claim]);
    assert_eq!(host.queue("orders").list("?echo=true").await.bodies(), ["b"]);
}

#[tokio::test]
async fn what_nobody_could_read_is_not_deleted() {
    let host = Host::start().await;
    host.queue("orders").post(["a", "b"]).await;
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    let mut command = command(host.base(), &["queue", "claim", "orders", "-n", "2", "--delete"]);
    let status = command.stdout(writer).stderr(Stdio::null()).status().expect("the program can be started");
    assert_eq!(status.code(), Some(1));
    assert_eq!(host.queue("orders").counts().await, [2, 0, 2]);
}

/// A command whose output is a file on a full disk.
fn onto_a_full_disk(base: &str, arguments: &[&str]) -> Output {
    let full = File::options().write(true).open("/dev/full").expect("there is such a device");
    let child = command(base, arguments).stdout(full).stderr(Stdio::piped()).spawn();
    child.and_then(Child::wait_with_output).expect("the program can be started")
}

#[tokio::test]
async fn output_that_cannot_be_written_is_told_in_one_line() {
    let host = Host::start().await;
    host.queue("orders").post(["a"]).await;
    let configuration = host.folder().join("sukkal.toml").display().to_string();
    let library = programs::library("sukkal-memory").display().to_string();
    for arguments in [
        &["queue", "list"][..],
        &["queue", "list", "--long"],
        &["queue", "peek", "orders"],
        &["queue", "show", "orders"],
        &["queue", "create", "others"],
        &["queue", "post", "others", "1"],
        &["queue", "purge", "others"],
        &["config", "check", "--config", &configuration],
        &["config", "show", "--config", &configuration],
        &["config", "schema", "--config", &configuration],
        &["plugin", "list", "--config", &configuration],
        &["plugin", "inspect", &library],
        &["plugin", "verify", &library, "--case", "catalog.listing.*"],
        &["bench", "--count", "1"],
        &["completions", "bash"],
        &["man"],
    ] {
        let output = onto_a_full_disk(host.base(), arguments);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains("the output cannot be written: No space left"), "{arguments:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{arguments:?}: {told}");
    }
    assert_eq!(host.queue("others").counts().await[2], 0, "what was asked for is done even so");
}

#[tokio::test]
async fn who_stops_reading_is_told_nothing() {
    let host = Host::start().await;
    host.queue("orders").post(["a", "b"]).await;
    for arguments in [&["queue", "list"][..], &["queue", "peek", "orders"], &["queue", "show", "orders"], &["man"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        let child = command(host.base(), arguments).stdout(writer).stderr(Stdio::piped()).spawn();
        let output = child.and_then(Child::wait_with_output).expect("the program can be started");
        assert!(output.status.success() && told(&output).is_empty(), "{arguments:?}: {}", told(&output));
    }
}

#[tokio::test]
async fn what_could_not_be_written_is_not_deleted() {
    let host = Host::start().await;
    host.queue("orders").post(["a", "b"]).await;
    for arguments in
        [&["queue", "claim", "orders", "-n", "2", "--delete"][..], &["queue", "claim", "orders", "-n", "2"]]
    {
        let output = onto_a_full_disk(host.base(), arguments);
        assert_eq!(output.status.code(), Some(1));
        let told = told(&output);
        assert!(told.contains("No space left") && told.contains("back in the queue"), "{told}");
        assert_eq!(host.queue("orders").counts().await, [2, 0, 2]);
    }
}

#[test]
fn a_claim_that_fails_half_way_gives_the_rest_back() {
    let claim = "{\"messages\":[{\"id\":\"m1\",\"age\":0,\"ttl\":60,\"body\":1},{\"id\":\"m2\",\"age\":0,\"ttl\":60,\"body\":2}]}";
    let claimed = format!(
        "HTTP/1.1 201 Created\r\nlocation: /v2/queues/q/claims/c1\r\ncontent-length: {}\r\n\r\n{claim}",
        claim.len()
    );
    let away =
        "HTTP/1.1 503 Service Unavailable\r\nx-openstack-request-id: req-1\r\ncontent-length: 0\r\n\r\n".to_owned();
    let done = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    for (released, said) in
        [(done, "is back in the queue"), (away.clone(), "`sukkal queue release q c1` gives it back")]
    {
        let (base, asked) = answering_each(vec![claimed.clone(), away.clone(), released]);
        let told = refused(&base, &["queue", "claim", "q", "-n", "2", "--delete"], 1);
        let asked: Vec<String> = asked.join().expect("the server does not panic");
        let begin = ["POST /v2/queues/q/claims?", "DELETE /v2/queues/q/messages/m1?", "DELETE /v2/queues/q/claims/c1 "];
        assert!(asked.iter().zip(begin).all(|(asked, begin)| asked.starts_with(begin)), "{asked:?}");
        assert!(told.contains(said) && told.lines().count() == 1, "{told}");
    }
}

#[tokio::test]
async fn lines_of_standard_input_are_messages_in_their_order() {
    let host = Host::start().await;
    // More than a batch's number, and bodies that are more than a post may hold together.
    let small: String = (0..1200).map(|n| format!("{n}\n")).collect();
    let large: String = (0..8).map(|n| format!("\"{n}{}\"\n", "x".repeat(60_000))).collect();
    let output = pipe(&host, &["queue", "post", "orders"], format!("{small}\n{large}"));
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1208);
    let peeked = printed(&host, &["queue", "peek", "orders", "--all", "--json"]);
    let bodies = peeked.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["body"].clone());
    let bodies: Vec<Value> = bodies.collect();
    assert_eq!(bodies[..1200], (0..1200).map(Value::from).collect::<Vec<_>>());
    assert!(
        bodies[1200..]
            .iter()
            .enumerate()
            .all(|(n, body)| body.as_str().is_some_and(|text| text.starts_with(&n.to_string())))
    );
}

#[tokio::test]
async fn arguments_that_are_more_than_a_post_may_hold_are_posted_in_their_order() {
    let host = Host::start().await;
    let bodies: Vec<String> = (0..8).map(|n| format!("{n}{}", "x".repeat(60_000))).collect();
    let arguments: Vec<&str> =
        ["queue", "post", "--text", "orders"].into_iter().chain(bodies.iter().map(String::as_str)).collect();
    assert_eq!(printed(&host, &arguments).lines().count(), bodies.len());
    let peeked = printed(&host, &["queue", "peek", "orders", "--all", "--json"]);
    let found = peeked.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["body"].clone());
    assert_eq!(found.collect::<Vec<_>>(), bodies);
}

#[tokio::test]
async fn a_text_is_posted_as_it_stands() {
    let host = Host::start().await;
    printed(&host, &["queue", "post", "--text", "orders", "5", "no \"JSON\""]);
    assert!(pipe(&host, &["queue", "post", "orders", "-t"], "{}\n").status.success());
    assert_eq!(host.queue("orders").list("?echo=true").await.bodies(), ["5", "no \"JSON\"", "{}"]);
}

#[tokio::test]
async fn a_line_that_is_no_json_is_told_with_its_number() {
    let host = Host::start().await;
    let output = pipe(&host, &["queue", "post", "orders"], "1\n2\nthree\n4\n");
    assert_eq!(output.status.code(), Some(2));
    let told = told(&output);
    assert!(told.contains("line 3") && told.contains("three") && told.contains("--text"), "{told}");
    let stored = host.queue("orders").counts().await[2];
    let said = if stored == 0 { "nothing is stored".to_owned() } else { format!("{stored} message") };
    assert!(told.contains(&said), "{stored} are stored, and this is said: {told}");
    let output = pipe(&host, &["queue", "post", "others", "--text"], b"\xff\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(self::told(&output).contains("line 1 of standard input: it is no UTF-8"), "{}", self::told(&output));
    let told = refused(host.base(), &["queue", "post", "others", "1", "two"], 2);
    assert!(told.contains("argument 2") && told.contains("nothing is stored"), "{told}");
    assert_eq!(host.queue("others").counts().await, [0, 0, 0]);
}

#[tokio::test]
async fn with_json_what_was_done_is_told_in_it() {
    let host = Host::start().await;
    for (command, done) in [
        ("create", json!({ "name": "orders", "created": true })),
        ("create", json!({ "name": "orders", "created": false })),
        ("purge", json!({ "name": "orders", "purged": true })),
        ("delete", json!({ "name": "orders", "deleted": true })),
    ] {
        let printed = printed(&host, &["queue", command, "orders", "--json"]);
        assert_eq!(serde_json::from_str(&printed).ok(), Some(done), "{printed}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_with_a_status_of_its_own() {
    let host = Host::start().await;
    for command in ["show", "purge", "delete"] {
        let told = refused(host.base(), &["queue", command, "nosuch"], 3);
        assert!(told.contains("nosuch") && told.contains("p1") && told.contains("sukkal queue list"), "{told}");
    }
    assert!(refused(host.base(), &["queue", "claim", "nosuch"], 3).contains("nothing to claim"));
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let host = Host::start().await;
    let told = refused(host.base(), &["queue", "claim", "orders", "-n", "1000"], 1);
    assert!(told.contains("Limit must be at least 1") && told.contains("400"), "{told}");
    assert!(refused(host.base(), &["queue", "create", "a b"], 1).contains("Invalid queue identification"));
    // These ask by HEAD first, whose answer has no words.
    for command in ["show", "purge", "delete"] {
        let told = refused(host.base(), &["queue", command, "a b"], 1);
        assert!(told.contains("Invalid queue identification: ") && told.contains("(400)"), "{command}: {told}");
    }
    // To a URL it is the way up.
    let told = refused(host.base(), &["queue", "delete", ".."], 2);
    assert!(told.contains("`..` has another meaning in a URL"), "{told}");
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let told = refused("http://127.0.0.1:1", &["queue", "list"], 1);
    for part in ["http://127.0.0.1:1", "refused", "sukkal serve", "--url"] {
        assert!(told.contains(part), "{part} in: {told}");
    }
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(refused("127.0.0.1:8888", &["queue", "list"], 2).contains("http://"));
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_whose_certificate_is_not_trusted() {
    let host = Host::start().await;
    let base = host.base().replace("http:", "https:");
    for arguments in [&["queue", "list"][..], &["bench", "--count", "1"]] {
        let told = refused(&base, arguments, 1);
        assert!(told.contains("speaks no TLS; write http://"), "{told}");
    }
}

#[test]
fn certificates_to_trust_that_cannot_be_read_are_told() {
    for arguments in [&["queue", "list"][..], &["bench", "--count", "1"]] {
        let mut command = command("https://127.0.0.1:1", arguments);
        let output = command.env("SSL_CERT_FILE", "/no/such/file.pem").output().expect("the program can be started");
        let told = told(&output);
        assert!(output.status.code() == Some(2) && told.contains("SSL_CERT_FILE names /no/such/file.pem"), "{told}");
        assert!(!told.contains("--url"), "{told}");
    }
}

#[test]
fn a_project_must_be_named() {
    let output = command("http://127.0.0.1:1", &["queue", "list"]).env_remove("SUKKAL_PROJECT").output();
    let output = output.expect("the program can be started");
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("--project"), "{}", told(&output));
}

/// A server of one answer; returns its address, and later what it was asked.
fn answering(answer: &str) -> (String, thread::JoinHandle<String>) {
    let (base, asked) = answering_each(vec![answer.to_owned()]);
    (base, thread::spawn(move || asked.join().expect("the server does not panic").remove(0)))
}

/// The same with several answers, each on a connection of its own.
fn answering_each(answers: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let base = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
    let answer_one = move |answer: String| {
        let (mut connection, _) = listener.accept().expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte).expect("a request's head");
            request.push(byte[0]);
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        // What is left unread would cut the answer short.
        let length = request.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        connection.read_exact(&mut vec![0; length.unwrap_or(0)]).expect("a request's body");
        // Or the next request might come over it, and nobody would hear that one.
        let answer = answer.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        connection.write_all(answer.as_bytes()).expect("the answer can be sent");
        request
    };
    (base, thread::spawn(move || answers.into_iter().map(answer_one).collect()))
}

#[test]
fn another_kind_of_server_is_told_from_one_of_this_api() {
    let (base, _) = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello");
    let told = refused(&base, &["queue", "list"], 1);
    assert!(told.contains("404") && told.contains("is it a server of this API?"), "{told}");
    let (base, _) = answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    assert!(refused(&base, &["queue", "list"], 1).contains("is it a server of this API?"));
    // These ask by HEAD first.
    for command in ["show", "purge", "delete"] {
        let absent = |body: &str| format!("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\n{body}");
        let (base, _) = answering_each(vec![absent(""), absent("hello")]);
        let told = refused(&base, &["queue", command, "orders"], 1);
        assert!(told.contains("404") && told.contains("is it a server of this API?"), "{command}: {told}");
    }
    let (base, _) = answering("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello");
    assert!(
        refused(&base, &["queue", "post", "orders", "1"], 1)
            .contains("nobody knows whether the last message is stored")
    );
}

#[test]
fn a_post_that_may_be_stored_is_not_said_to_be_refused() {
    const UNKNOWN: &str = "nobody knows whether the last message is stored\n";
    let reason = "{\"title\":\"no\"}";
    for (status, body, said) in [(400, reason, "nothing is stored\n"), (503, reason, UNKNOWN), (504, "", UNKNOWN)] {
        let (base, _) = answering(&format!("HTTP/1.1 {status} \r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        let told = refused(&base, &["queue", "post", "orders", "1"], 1);
        assert!(told.ends_with(said), "{status}: {told}");
    }
}

#[test]
fn a_token_comes_from_the_environment_or_a_file_alone() {
    const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"queues\":[]}";
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("token");
    std::fs::write(&file, "from-a-file\n").expect("a file can be written");
    let path = file.display().to_string();
    for (name, value, token) in [("SUKKAL_TOKEN", "from-it", "from-it"), ("SUKKAL_TOKEN_FILE", &path, "from-a-file")] {
        let (base, asked) = answering(EMPTY);
        let output = command(&base, &["queue", "list"]).env(name, value).output().expect("the program can be started");
        assert!(output.status.success(), "{}", told(&output));
        let asked = asked.join().expect("the server does not panic");
        assert!(asked.contains(&format!("x-auth-token: {token}\r\n")), "{asked}");
    }
    refused("http://127.0.0.1:1", &["queue", "list", "--token", "x"], 2);
    for arguments in [&["queue", "list"][..], &["bench", "--count", "1", "-c", "1"]] {
        let (base, _) =
            answering("HTTP/1.1 401 Unauthorized\r\nx-openstack-request-id: req-1\r\ncontent-length: 0\r\n\r\n");
        assert!(refused(&base, arguments, 1).contains("SUKKAL_TOKEN"));
    }
    let unread = OsStr::from_bytes(b"\xff");
    let output = command("http://127.0.0.1:1", &["queue", "list"]).env("SUKKAL_TOKEN", unread).output();
    let output = output.expect("the program can be started");
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
}

#[test]
fn variables_of_the_command_line_are_no_settings() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = command("http://127.0.0.1:1", &["config", "check"]);
    command
        .current_dir(folder.path())
        .env("SUKKAL_TOKEN", "x")
        .env("SUKKAL_TOKEN_FILE", "x")
        .env("SUKKAL_CLIENT_ID", "x");
    let output = command.output().expect("the program can be started");
    assert!(output.status.success(), "{}", told(&output));
}
