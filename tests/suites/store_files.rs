//! SQLite's files: each has one holder, whatever it is called by; the next one need not wait.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::host::alone;
use sukkal_tests::pools::{admin, register};
use sukkal_tests::sqlite::reading;
use sukkal_tests::stores::MEMORY;
use sukkal_tests::{Host, eventually, programs};
use tokio::task::JoinSet;

/// For so long, what waits is seen to wait.
const A_WHILE: Duration = Duration::from_millis(200);

/// What a host says that does not start.
fn refusal(host: &Host) -> String {
    let output = host.serve().output().expect("the host can be started");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    told
}

fn stores(catalog: &str, pool: &str) -> Host {
    let host = Host::with().top(&format!("catalog = \"sqlite:{catalog}\"\ndefault_pool = \"sqlite:{pool}\"")).prepare();
    std::fs::create_dir(host.folder().join("data")).expect("a folder can be made");
    host
}

fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(to, from).expect("a link can be made");
}

#[tokio::test]
async fn a_catalog_and_a_pool_in_one_file_are_refused() {
    let absolute = tempfile::tempdir().expect("a temporary folder can be made");
    let absolute = absolute.path().join("both.db").display().to_string();
    let pairs = [
        ("both.db", "both.db"),
        ("both.db", "./both.db"),
        ("both.db?synchronous=normal", "both.db?readers=4"),
        ("//ABSOLUTE", "ABSOLUTE"),
    ];
    for (catalog, pool) in
        pairs.map(|(one, two)| (one.replace("ABSOLUTE", &absolute), two.replace("ABSOLUTE", &absolute)))
    {
        let host = stores(&catalog, &pool);
        let mut check = Command::new(programs::sukkal());
        check.current_dir(host.folder()).args(["config", "check", "--config", "sukkal.toml"]);
        alone(&mut check);
        for mut command in [check, host.serve()] {
            let output = command.output().expect("the host can be started");
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{catalog} and {pool}: {told}");
            let mistake = "sukkal.toml:3: `default_pool` names the same file as `catalog`; give each a file of its own";
            assert!(told.contains(mistake), "{catalog} and {pool}: {told}");
        }
    }
}

#[tokio::test]
async fn a_link_to_a_file_is_that_file() {
    let first = Host::start().await;
    let held = first.folder().join("data").join("pool.db");
    let second = stores("own.db", "link.db");
    link(&second.folder().join("data").join("link.db"), &held);
    let told = refusal(&second);
    assert!(told.contains("pool.db is in use by a pool of process"), "{told}");
    first.queue("orders").post(["kept"]).await;
}

#[tokio::test]
async fn a_link_to_a_file_that_is_made_only_now_is_that_file() {
    let host = stores("link.db", "both.db");
    let data = host.folder().join("data");
    link(&data.join("link.db"), &data.join("both.db"));
    let told = refusal(&host);
    assert!(told.contains("`default_pool` cannot be opened by the plugin `sqlite`"), "{told}");
}

/// Uses a file as any other program: opens it, reads, and closes it again.
fn is_used_by_another_program(pool: &Path) {
    let other = rusqlite::Connection::open(pool).expect("it can be opened");
    other.query_row("SELECT count(*) FROM queue", [], |row| row.get::<_, i64>(0)).expect("it can be read");
}

#[tokio::test]
async fn a_hard_link_to_a_file_is_that_file() {
    let host = admin(Host::with()).start().await;
    let data = host.folder().join("data");
    host.queue("orders").post(["kept"]).await;
    std::fs::hard_link(data.join("pool.db"), data.join("other.db")).expect("a link can be made");
    let told = register(&host, "other", json!({ "uri": "sqlite:other.db", "weight": 1 })).await.expect(400).text();
    assert!(told.contains("sqlite file other.db is the same file as pool.db"), "{told}");
    is_used_by_another_program(&data.join("pool.db"));
    assert!(data.join("pool.db-wal").exists(), "whoever closes it knows that it is in use");
    host.queue("orders").post(["kept too"]).await;

    let second = stores("own.db", "other.db");
    std::fs::hard_link(data.join("pool.db"), second.folder().join("data/other.db")).expect("a link can be made");
    let told = refusal(&second);
    assert!(told.contains("other.db is in use by another process under another name"), "{told}");

    let both = stores("own.db", "other.db");
    let data = both.folder().join("data");
    File::create(data.join("own.db")).expect("a file can be made");
    std::fs::hard_link(data.join("own.db"), data.join("other.db")).expect("a link can be made");
    let told = refusal(&both);
    assert!(told.contains("other.db is the same file as own.db"), "{told}");
}

#[tokio::test]
async fn files_that_are_not_ours_are_left_as_they_are() {
    let host = admin(Host::with()).start().await;
    let data = host.folder().join("data");
    let foreign = data.join("foreign");
    std::fs::create_dir(&foreign).expect("a folder can be made");
    std::fs::write(foreign.join("text"), "root:x:0:0:root:/root:/bin/bash\n".repeat(100)).expect("a file can be made");
    let other = rusqlite::Connection::open(foreign.join("database")).expect("a file can be made");
    other.execute_batch("CREATE TABLE a (b); INSERT INTO a VALUES (1)").expect("it can be written");
    drop(other);
    std::fs::hard_link(data.join("pool.db"), foreign.join("link")).expect("a link can be made");
    let held = || {
        let names = std::fs::read_dir(&foreign).expect("it can be listed");
        let mut paths: Vec<_> = names.map(|name| name.expect("it can be listed").path()).collect();
        paths.sort();
        // The pool goes on writing into its own.
        let bytes = |path: &Path| (!path.ends_with("link")).then(|| std::fs::read(path).expect("it can be read"));
        paths.into_iter().map(|path| (bytes(&path), path)).collect::<Vec<_>>()
    };
    let before = held();
    for (name, reason) in
        [("text", "no sqlite database"), ("database", "another program's"), ("link", "the same file as")]
    {
        let uri = json!({ "uri": format!("sqlite:foreign/{name}"), "weight": 1 });
        let told = register(&host, name, uri).await.expect(400).text();
        assert!(told.contains(reason), "{told}");
        assert!(held() == before, "{name} is as it was, and nothing is beside it");
    }
}

#[tokio::test]
async fn a_file_has_one_host_and_the_next_starts_at_once_when_it_dies() {
    let mut first = Host::start().await;
    first.queue("orders").post(["kept"]).await;
    for (file, role) in [("pool.db", "pool"), ("catalog.db", "catalog")] {
        let held = first.folder().join("data").join(file).display().to_string();
        let (catalog, pool) = if role == "pool" { ("own.db", held.as_str()) } else { (held.as_str(), "own.db") };
        let mut second = stores(catalog, pool);
        let told = refusal(&second);
        let holder = format!("{file} is in use by a {role} of process {}", first.id());
        assert!(told.contains(&holder), "{told}");
        first.queue("orders").post(["kept"]).await;

        first.kill();
        // It does, or this ends the test.
        second.start_again().await;
        assert!(second.stop().await.success());
        first.start_again().await;
    }
    assert_eq!(first.queue("orders").counts().await, [3, 0, 3]);
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_at_once() {
    let host = admin(Host::with()).start().await;
    let data = host.folder().join("data");
    std::fs::create_dir(data.join("folder")).expect("a folder can be made");
    for pipe in ["one", "two"] {
        let made = Command::new("mkfifo").arg(data.join(pipe)).status().expect("mkfifo can be run");
        assert!(made.success());
    }
    // Opening a pipe waits for somebody at its other end.
    let body = |name| json!({ "uri": format!("sqlite:{name}"), "weight": 1 });
    let [one, two, folder] = ["one", "two", "folder"].map(|name| register(&host, name, body(name)));
    for refused in <[_; 3]>::from(tokio::join!(one, two, folder)) {
        let told = refused.expect(400).text();
        assert!(told.contains("name a regular file"), "{told}");
    }
}

#[tokio::test]
async fn a_store_that_is_slow_to_open_holds_nobody_up() {
    let host = admin(MEMORY.host()).start().await;
    let data = host.folder().join("data");
    let names = ["one", "two", "three", "four"];
    let held = names.map(|name| hold(&data.join(name)));
    let registered = names.map(|name| {
        let (client, body) = (host.client(), json!({ "uri": format!("sqlite:{name}"), "weight": 1 }));
        tokio::spawn(async move { client.put(&format!("/v2/pools/{name}"), body).await })
    });
    eventually("all are being opened", SOON, async || {
        names.iter().all(|name| data.join(format!("{name}.lock")).exists()).then_some(())
    })
    .await;
    host.client().get("/v2/ping").await.expect(204);
    host.queue("orders").post(["taken"]).await;
    drop(held);
    for registered in registered {
        registered.await.expect("a request ends").expect(201);
    }
}

/// Makes SQLite wait for a file, as another program that holds it does.
fn hold(path: &Path) -> File {
    let file = File::options().write(true).create(true).truncate(false).open(path).expect("a file can be made");
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).expect("a file can be locked");
    file
}

#[tokio::test]
async fn a_file_that_is_registered_twice_at_once_has_one_pool() {
    let host = admin(MEMORY.host()).start().await;
    let (file, lock) = (host.folder().join("data/one.db"), host.folder().join("data/one.db.lock"));
    let held = hold(&file);
    // Two spellings of one file.
    let pools = [("a", "sqlite:one.db".to_owned()), ("b", format!("sqlite:{}?readers=2", file.display()))];
    let mut registered = JoinSet::new();
    for (name, uri) in pools {
        let (client, body) = (host.client(), json!({ "uri": uri, "weight": 1 }));
        registered.spawn(async move { (name, client.put(&format!("/v2/pools/{name}"), body).await) });
    }
    eventually("it is being opened", SOON, async || lock.exists().then_some(())).await;
    let early = tokio::time::timeout(A_WHILE, registered.join_next()).await;
    assert!(early.is_err(), "nobody knows yet whose it is: {early:?}");
    drop(held);
    let mut answers = registered.join_all().await;
    answers.sort_by_key(|(_, answer)| answer.status);
    let [(first, made), (_, refused)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((made.status, refused.status), (201, 409), "{answers:?}");
    let text = format!("The database URI is in use by another pool. It is that of the pool {first}.");
    assert_eq!(refused.json()["description"], text);
}

#[tokio::test]
async fn a_pool_that_is_being_opened_is_changed_and_deleted() {
    let mut host = admin(Host::with()).start().await;
    let (file, lock) = (host.folder().join("data/one.db"), host.folder().join("data/one.db.lock"));
    register(&host, "p", json!({ "uri": "sqlite:one.db", "weight": 1 })).await.expect(201);
    assert!(host.stop().await.success());
    std::fs::remove_file(&lock).expect("it is there, and nobody's");
    let held = hold(&file);
    host.start_again().await;
    eventually("it is being opened", SOON, async || lock.exists().then_some(())).await;
    let client = host.client();
    let change = json!({ "options": { "readers": 3 } }).to_string();
    let mut changed = tokio::spawn(async move { client.request("PATCH", "/v2/pools/p").body(change).send().await });
    let early = tokio::time::timeout(A_WHILE, &mut changed).await;
    assert!(early.is_err(), "the file is not open yet: {early:?}");
    drop(held);
    changed.await.expect("a request ends").expect(200);
    host.client().delete("/v2/pools/p").await.expect(204);
    // Nobody has the file any more.
    register(&host, "q", json!({ "uri": "sqlite:one.db", "weight": 1 })).await.expect(201);
}

#[tokio::test]
async fn nothing_is_taken_into_files_that_are_gone() {
    let host = Host::start().await;
    let queue = host.queue("orders");
    queue.post(["kept"]).await;
    host.pages().get("/ready").await.expect(200);
    std::fs::remove_dir_all(host.folder().join("data")).expect("a folder can be removed");
    let told = eventually("posts are refused", SOON, async || {
        let answer = host.client().post(&queue.path("/messages"), json!({ "messages": [{ "body": 1 }] })).await;
        (answer.status != 201).then(|| answer.expect(503).text())
    });
    let told = told.await;
    assert!(told.contains("removed or replaced") && !told.contains("data"), "{told}");
    assert_eq!(queue.list("?echo=true").await.bodies()[0], "kept", "it can still be read, and saved");
    eventually("it is not ready", SOON, async || (host.pages().get("/ready").await.status == 503).then_some(())).await;
    for file in ["pool.db", "catalog.db"] {
        let errors = || host.log().lines().filter(|line| line.contains("ERROR") && line.contains(file)).count();
        eventually("it is logged", SOON, async || (errors() > 0).then_some(())).await;
        host.client().post(&queue.path("/messages"), json!({ "messages": [{ "body": 1 }] })).await.expect(503);
        assert_eq!(errors(), 1, "once");
    }
}

#[tokio::test]
async fn a_file_that_another_was_moved_over_takes_nothing_until_it_is_back() {
    let host = Host::start().await;
    let data = host.folder().join("data");
    let (pool, aside) = (data.join("pool.db"), data.join("aside.db"));
    let queue = host.queue("orders");
    queue.post(["one"]).await;
    std::fs::rename(&pool, &aside).expect("a file can be moved");
    std::fs::copy(&aside, &pool).expect("a file can be copied");
    let post = async || host.client().post(&queue.path("/messages"), json!({ "messages": [{ "body": 1 }] })).await;
    eventually("posts are refused", SOON, async || (post().await.status == 503).then_some(())).await;
    std::fs::rename(&aside, &pool).expect("a file can be moved");
    eventually("posts are taken", SOON, async || (post().await.status == 201).then_some(())).await;
    assert_eq!(queue.list("?echo=true").await.bodies()[0], "one");
}

#[tokio::test]
async fn a_file_is_whole_by_itself_after_a_stop_and_a_log_that_stays_is_no_others() {
    let mut host = Host::start().await;
    let data = host.folder().join("data");
    let (pool, copy) = (data.join("pool.db"), data.join("copy.db"));
    host.queue("orders").post(["one"]).await;
    assert!(host.stop().await.success());
    std::fs::copy(&pool, &copy).expect("a file can be copied");
    host.start_again().await;
    host.queue("orders").post(["two"]).await;
    assert!(host.stop().await.success());
    std::fs::copy(&copy, &pool).expect("a file can be copied");
    host.start_again().await;
    assert_eq!(host.queue("orders").list("?echo=true").await.bodies(), ["one"]);
}

#[tokio::test]
async fn another_program_that_reads_for_long_holds_nobody_up() {
    // Less than SQLite would wait for it; no post waits for the disk.
    let limits = "[limits]\nrequest_timeout = 4";
    let host = Host::with()
        .top("default_pool = \"sqlite:pool.db?checkpoint_mib=1&synchronous=normal\"")
        .section(limits)
        .start()
        .await;
    let queue = host.queue("orders");
    queue.post(["first"]).await;
    let file = host.folder().join("data").join("pool.db");
    let reader = reading(&file);
    let log = || file.with_extension("db-wal").metadata().expect("there is a log").len();
    let large = "x".repeat(100_000);
    while log() < 12 << 20 {
        queue.post([large.as_str(); 2]).await;
    }
    drop(reader);
    eventually("the log is begun anew, and as short as ever", SOON, async || {
        queue.post([large.as_str(); 2]).await;
        (log() <= 9 << 20).then_some(())
    })
    .await;
    assert_eq!(host.log().matches("the write-ahead log cannot be begun anew").count(), 1, "it is told once");
}
