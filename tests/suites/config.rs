//! Mistakes in the configuration: all at once, each with file, line, key and mend.

use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::Value;
use sukkal_tests::host::alone;
use sukkal_tests::{Host, programs};

fn check(text: &str) -> Output {
    sukkal("check", text, &[])
}

/// Runs a command of `sukkal config` on a configuration, with variables of the environment.
fn sukkal(what: &str, text: &str, env: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("sukkal.toml"), text).expect("the configuration can be written");
    let mut command = Command::new(programs::sukkal());
    command.current_dir(folder.path()).args(["config", what, "--config", "sukkal.toml"]);
    alone(&mut command);
    let output = command.envs(env.iter().copied()).output().expect("the host can be started");
    let left = std::fs::read_dir(folder.path()).map(Iterator::count).unwrap_or_default();
    assert_eq!(left, 1, "looking at settings makes no files");
    output
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn all_mistakes_are_told_with_line_key_and_the_nearest_name() {
    let text = "pipline = []\n\
                [limits]\n\
                max_message_ttI = 100\n\
                max-claim-ttl = 100\n\
                max_claim_grace = \"long\"\n\
                max_message_delay = -1\n\
                [rest]\n\
                max_message_ttl = 100\n\
                listen = \"nowhere\"\n\
                [apy]\n\
                admin_mode = true\n";
    let output = check(text);
    assert_ne!(output.status.code(), Some(0));
    let told = told(&output);
    let mistakes = [
        (1, "pipline", "pipeline"),
        (3, "max_message_ttI", "max_message_ttl"),
        (4, "max-claim-ttl", "max_claim_ttl"),
        (5, "max_claim_grace", "number"),
        (6, "max_message_delay", "0"),
        (8, "max_message_ttl", "limits"),
        (9, "listen", "address"),
        (10, "apy", "api"),
    ];
    for (line, key, mend) in mistakes {
        let place = format!("sukkal.toml:{line}:");
        let found = told.lines().any(|told| told.contains(&place) && told.contains(key) && told.contains(mend));
        assert!(found, "line {line}, {key}, {mend} in:\n{told}");
    }
}

#[test]
fn mistakes_are_told_in_the_order_of_the_file() {
    let text = "data_dir = 5\n\
                [log]\n\
                level = \"loud\"\n\
                [limits]\n\
                max_message_delay = -1\n\
                max_message_ttI = 100\n\
                [rest]\n\
                listen = \"nowhere\"\n\
                [apy]\n";
    let output = sukkal("check", text, &[("SUKKAL_REST__LISTEM", "x")]);
    let told = told(&output);
    let place = |line: &str| line.split("sukkal.toml:").nth(1)?.split(':').next()?.parse::<u32>().ok();
    assert_eq!(
        told.lines().map(place).collect::<Vec<_>>(),
        [Some(1), Some(3), Some(5), Some(6), Some(8), Some(9), None]
    );
}

#[test]
fn of_a_list_all_that_is_wrong_is_told() {
    let output = check(
        "pipeline = [1, \"audit\", true]\n\
         [cors]\n\
         allowed_origin = [\n\
         \"app.example.org\",\n\
         \"https://app.example.org\",\n\
         \"https://app.example.org/path\"]\n\
         [notifications]\n\
         allow_addresses = [\"10.0.0.0/8\", \"ten\", \"10.0.0.0/99\"]\n",
    );
    let told = told(&output);
    for (line, part) in [
        (1, "these are none: 1, true"),
        (4, "has \"app.example.org\", and must have origins"),
        (6, "has \"https://app.example.org/path\", and must have origins"),
        (8, "ten"),
        (8, "10.0.0.0/99"),
    ] {
        let place = format!("sukkal.toml:{line}: ");
        assert!(told.lines().any(|told| told.contains(&place) && told.contains(part)), "{line}, {part} in:\n{told}");
    }
    assert_eq!(told.lines().count(), 5, "{told}");
    let output = check("pipeline = [\n\"rate-limt\",\n\"audit\",\n\"audit\"]\n");
    let told = self::told(&output);
    assert!(told.contains("sukkal.toml:2: ") && told.contains("did you mean `rate-limit`?"), "{told}");
    assert!(told.contains("sukkal.toml:4: `pipeline` names `audit` twice"), "{told}");
}

#[test]
fn unknown_schemes_and_filters_are_told_with_what_there_is() {
    let output = check("catalog = \"sqlit:catalog.db\"\npipeline = [\"nosuch\"]\n");
    assert_ne!(output.status.code(), Some(0));
    let told = told(&output);
    assert!(told.lines().any(|line| line.contains("sqlit") && line.contains("sqlite")), "{told}");
    assert!(told.lines().any(|line| line.contains("nosuch")), "{told}");
}

#[test]
fn mistakes_that_only_plugins_know_of_are_told_in_the_same_run() {
    let text = "catalog = \"sqlit:catalog.db\"\n\
                pipeline = [\"nosuch\", \"rate-limit\"]\n\
                shutdown_grace = -1\n\
                [plugins.sqlite]\n\
                reader = 2\n\
                [filters.rate-limit]\n\
                timeout = \"long\"\n\
                status = \"low\"\n\
                [limits]\n\
                max_message_ttI = 100\n";
    let host = Host::with().prepare();
    std::fs::write(host.folder().join("sukkal.toml"), text).expect("the configuration can be written");
    for output in [check(text), host.serve().output().expect("the host can be started")] {
        assert_eq!(output.status.code(), Some(2));
        let told = told(&output);
        let keys = ["catalog", "nosuch", "shutdown_grace", "readers", "timeout", "status", "max_message_ttl"];
        for (line, key) in [1, 2, 3, 5, 7, 8, 10].into_iter().zip(keys) {
            let place = format!("sukkal.toml:{line}: ");
            assert!(told.lines().any(|told| told.contains(&place) && told.contains(key)), "{place}{key} in:\n{told}");
        }
        assert_eq!(told.lines().count(), keys.len(), "{told}");
    }
}

#[test]
fn what_cannot_be_read_is_not_told_a_second_time() {
    let text = "plugin_dirs = 5\n[filters.seal]\nrotation = { env = \"SUKKAL_TEST_NOT_SET\" }\n";
    assert_eq!(told(&check(text)).lines().count(), 2, "{}", told(&check(text)));
}

#[test]
fn a_doubled_key_and_broken_toml_are_told_with_their_line() {
    for text in ["[limits]\nmax_message_ttl = 100\nmax_message_ttl = 200\n", "[limits]\n\nmax_message_ttl = \n"] {
        let output = check(text);
        assert_ne!(output.status.code(), Some(0));
        assert!(told(&output).contains("sukkal.toml:3"), "{}", told(&output));
    }
}

#[test]
fn a_sound_configuration_passes() {
    let output = check("[limits]\nmax_message_ttl = 3600\ndefault_message_ttl = 600\n[api]\nadmin_mode = true\n");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}

#[test]
fn the_uris_of_stores_are_checked_and_nothing_is_opened() {
    for (setting, key, reason) in [
        ("catalog = \"sqlite:x?nonsense=1\"", "catalog", "no parameter nonsense"),
        ("default_pool = \"sqlite:///x?readers=many\"", "default_pool", "readers must be a whole number"),
        ("default_pool = \"sqlite:x?readers=0\"", "default_pool", "readers must be from 1 to 64"),
        ("default_pool = \"sqlite:\"", "default_pool", "names no file"),
        ("default_pool = \"memory:?max_messages=0\"", "default_pool", "max_messages must be at least 1"),
        ("default_pool = \"redis://h?conections=2\"", "default_pool", "no parameter conections"),
        ("default_pool = \"redis://a,b\"", "default_pool", "master=NAME"),
        ("default_pool = \"mongodb://h/d?maxPoolSize=many\"", "default_pool", "parameter maxPoolSize"),
        ("catalog = \"postgres://h/d?ssl_mode=require\"", "catalog", "no parameter ssl_mode"),
        ("catalog = \"mysql://h/d?sslmode=maybe\"", "catalog", "cannot be read"),
        ("[plugins.sqlite]\nreaders = 0", "plugins.sqlite", "readers must be from 1 to 64"),
        ("plugins.sqlite = { readers = 4294967296 }", "plugins.sqlite", "integer `4294967296`, expected u32"),
        ("pipeline = [\"rate-limit\"]\n[filters.rate-limit]\nstatus = 9", "filters.rate-limit.status", "400 to 599"),
        ("pipeline = [\"audit\"]\n[filters.audit]\nbacklog = 0", "filters.audit.backlog", "from 1 to 10000000"),
        ("[filters.audit]\nbacklog = 2305843009213693952", "filters.audit.backlog", "from 1 to 10000000"),
    ] {
        let output = check(setting);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{setting}: {told}");
        assert!(told.contains(&format!("sukkal.toml:{}: `{key}`", setting.lines().count())), "{setting}: {told}");
        assert!(told.contains(reason) && told.lines().count() == 1, "{setting}: {told}");
        assert!(!told.contains("column"), "it is a place in another text: {told}");
    }
    let output = check("catalog = \"postgres://127.0.0.1:1/d\"\ndefault_pool = \"sqlite:/no/such/folder/x.db\"\n");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("not tried: opening"), "{}", told(&output));
}

#[test]
fn what_a_filter_takes_is_told_whatever_is_wrong_with_it() {
    for (setting, key, mend) in [
        (
            "post = 5",
            "filters.rate-limit.post",
            "it takes: a table with per_second (integer from 1 to 4294967295, needed), burst (integer from 1 to 4294967295)",
        ),
        ("post = {}", "filters.rate-limit.post", "lacks the key \"per_second\""),
        ("post = { per_second = \"many\" }", "filters.rate-limit.post.per_second", "it takes: integer from 1 to"),
        (
            "post = { per_second = 4294967296 }",
            "filters.rate-limit.post.per_second",
            "it takes: integer from 1 to 4294967295",
        ),
        (
            "post = { per_second = 1, burst = 0 }",
            "filters.rate-limit.post.burst",
            "it takes: integer from 1 to 4294967295",
        ),
        ("post = { per_second = 1, bursts = 2 }", "filters.rate-limit.post.bursts", "did you mean `burst`?"),
        ("post = { per_second = 1, else = 2 }", "filters.rate-limit.post.else", "known here: per_second, burst"),
        ("time_out = 5", "filters.rate-limit.time_out", "did you mean `timeout`?"),
        ("on_eror = \"pass\"", "filters.rate-limit.on_eror", "did you mean `on_error`?"),
        ("status = \"low\"", "filters.rate-limit.status", "it takes: integer from 400 to 599"),
    ] {
        let output = check(&format!("[filters.rate-limit]\n{setting}\n"));
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{setting}: {told}");
        assert!(told.contains(&format!("sukkal.toml:2: `{key}` ")) && told.contains(mend), "{setting}: {told}");
        assert!(told.lines().count() == 1, "{setting}: {told}");
    }
}

#[test]
fn wrong_keys_of_plugins_are_told_beside_what_is_shown() {
    let output = sukkal("show", "pipeline = [\"rate-limit\"]\n[filters.rate-limit]\nburts = 5\n", &[]);
    let shown = told(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(shown.contains("burts = 5"), "{shown}");
    assert!(shown.contains("sukkal.toml:3: `filters.rate-limit.burts` is not known"), "{shown}");
}

#[test]
fn a_data_directory_that_is_a_file_or_below_one_is_a_mistake() {
    for path in ["sukkal.toml", "sukkal.toml/data"] {
        let output = check(&format!("data_dir = \"{path}\"\n"));
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains("`data_dir` is no folder: sukkal.toml is a file"), "{}", told(&output));
    }
}

#[test]
fn the_settings_in_force_are_shown_with_where_they_come_from() {
    let text =
        "pipeline = [\"rate-limit\"]\n[filters.rate-limit]\ndefault = { per_second = 5 }\n[rest]\nidle_timeout = 7\n";
    let output = sukkal("show", text, &[("SUKKAL_REST__LISTEN", "127.0.0.1:1")]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let shown = told(&output);
    for (setting, origin) in [
        ("pipeline = [\"rate-limit\"]", "sukkal.toml:1"),
        ("default = { per_second = 5 }", "sukkal.toml:3"),
        ("idle_timeout = 7", "sukkal.toml:5"),
        ("listen = \"127.0.0.1:1\"", "environment variable SUKKAL_REST__LISTEN"),
        ("max_message_ttl = 1209600", "default"),
        ("on_error = \"refuse\"", "default"),
        ("max_projects = 100000", "default"),
        ("readers = 2", "default"),
        ("synchronous = \"full\"", "default"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(setting));
        assert!(line.is_some_and(|line| line.ends_with(&format!("# {origin}"))), "{setting}, {origin} in:\n{shown}");
    }
    let again = check(&shown);
    assert_eq!(again.status.code(), Some(0), "what is shown is a configuration: {}", told(&again));
}

#[test]
fn no_secret_is_shown() {
    let text = "default_pool = \"sqlite:pool.db?password=hunter1\"\n\
                [signed_urls]\n\
                secret_key = \"hunter0\"\n\
                [filters.seal]\n\
                secret = \"hunter2\"\n\
                nested = { api_key = \"hunter3\", url = \"redis://me:hunter4@host\" }\n\
                [plugins.sqlite]\n\
                token = { env = \"KEPT\" }\n";
    let output = sukkal("show", text, &[("KEPT", "hunter5"), ("SUKKAL_FILTERS__SEAL__PASSPHRASE", "hunter6")]);
    // None of these settings is known, which is told as well.
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let shown = told(&output);
    assert!(!shown.contains("hunter"), "{shown}");
    for part in [
        "password=***",
        "secret_key = \"***\"",
        "secret = \"***\"",
        "redis://me:***@host",
        "token = { env = \"KEPT\" }",
        "passphrase",
    ] {
        assert!(shown.contains(part), "{part} in:\n{shown}");
    }
}

#[test]
fn settings_with_mistakes_are_not_shown_but_told() {
    let output = sukkal("show", "pipline = []\n", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty() && told(&output).contains("pipeline"), "{}", told(&output));
}

#[test]
fn the_schema_knows_the_settings_of_the_plugins_that_are_there() {
    let output = sukkal("schema", "", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let schema: Value = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    let section = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("{path} in {schema}"));
    assert_eq!(section("/properties/rest/properties/idle_timeout/default"), 60);
    assert_eq!(section("/properties/plugins/properties/sqlite/properties/readers/default"), 2);
    assert_eq!(section("/properties/plugins/properties/example-notifier/properties/timeout/default"), 10);
    assert_eq!(section("/properties/filters/properties/rate-limit/properties/timeout/maximum"), 3600);
    assert_eq!(section("/properties/filters/properties/rate-limit/properties/status/type"), "integer");
}

#[test]
fn the_schema_is_there_for_whoever_mends_a_file_and_the_mistakes_are_told_after_it() {
    let output = sukkal("schema", "[limits]\nmax_message_ttI = 100\n", &[]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let schema: Value = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    assert!(schema.pointer("/properties/plugins/properties/sqlite").is_some(), "{schema}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("sukkal.toml:2: `limits.max_message_ttI`"));
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_start_with_a_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("a bound socket has an address").to_string();
    let host = Host::with().rest(&format!("listen = \"{address}\"")).prepare();
    let output = host.serve().output().expect("the host can be started");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains(&address) && told(&output).contains("end what uses it"), "{}", told(&output));
}

#[tokio::test]
async fn an_address_that_is_not_this_machines_ends_the_start_with_what_to_do() {
    // Kept for documentation (RFC 5737): no machine has it.
    let host = Host::with().rest("listen = \"192.0.2.1:8888\"").prepare();
    let output = host.serve().output().expect("the host can be started");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let mend = "this machine has no such address: set rest.listen to one of its own";
    assert!(told(&output).contains("192.0.2.1:8888") && told(&output).contains(mend), "{}", told(&output));
}

#[tokio::test]
async fn a_file_of_certificates_that_is_not_there_is_warned_of() {
    let host = Host::with().rest("listen = \"192.0.2.1:8888\"").prepare();
    let output = host.serve().env("SSL_CERT_FILE", "/no/such/file.pem").output().expect("the host can be started");
    let warned = told(&output);
    assert!(warned.lines().any(|line| line.contains("WARN") && line.contains("/no/such/file.pem")), "{warned}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_ends_the_start_with_a_line() {
    let host = Host::with().prepare();
    std::fs::write(host.folder().join("data"), "a file in the way").expect("a file can be written");
    let output = host.serve().output().expect("the host can be started");
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let data = host.folder().join("data").display().to_string();
    assert!(told(&output).contains(&data), "{}", told(&output));
    assert!(!told(&output).contains("panicked"), "{}", told(&output));
}

#[tokio::test]
async fn a_configuration_that_is_not_there_is_told() {
    let mut command = Command::new(programs::sukkal());
    let output = command.args(["serve", "--config", "/no/such/sukkal.toml"]).output().expect("the host can be started");
    assert_ne!(output.status.code(), Some(0));
    assert!(told(&output).contains("/no/such/sukkal.toml"), "{}", told(&output));
}
