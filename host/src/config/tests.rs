use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sukkal_core::{Limits, OnError};
use tracing_subscriber::filter::LevelFilter;

use super::*;

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sukkal.toml");
    std::fs::write(&path, text).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
    Config::load(Some(&path), env).map_err(|mistakes| {
        let prefix = format!("{}/", dir.path().display());
        mistakes.iter().map(|mistake| mistake.to_string().replace(&prefix, "")).collect()
    })
}

fn mistakes(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    load(text, env).err().unwrap_or_default()
}

#[test]
fn a_variable_that_is_no_text_is_told() {
    let unread = OsStr::from_bytes(b"/srv/\xff").to_owned();
    let told = Config::load(None, [("SUKKAL_DATA_DIR".to_owned(), unread)]).err().unwrap();
    assert_eq!(told[0].to_string(), "environment variable SUKKAL_DATA_DIR: `data_dir` is no UTF-8");
}

#[test]
fn nothing_needs_to_be_set() {
    let config = load("", &[]).ok().unwrap();
    assert_eq!(config.catalog.value, "sqlite:catalog.db");
    assert_eq!(config.rest.listen.to_string(), "127.0.0.1:8888");
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn file_and_environment_lie_over_the_defaults() {
    let text = r#"
        default_pool = ""
        pipeline = ["audit"]
        [rest]
        listen = "0.0.0.0:1"
        [limits]
        max_message_ttl = 100_000
        [api]
        client_id_uuid_safe = "off"
        [filters.rate-limit]
        on_error = "pass"
        per_second = 5
        [log]
        plugins = { sqlite = "debug" }
    "#;
    let env = [
        ("SUKKAL_REST__LISTEN", "[::1]:2"),
        ("SUKKAL_API__ADMIN_MODE", "true"),
        ("SUKKAL_FILTERS__RATE_LIMIT__PER_SECOND", "7"),
        ("SUKKAL_CONFIG", "x"),
        ("HOME", "/"),
    ];
    let config = load(text, &env).ok().unwrap();
    assert!(config.default_pool.is_none() && config.api.admin_mode);
    assert_eq!(config.api.client_id_uuid_safe, sukkal_core::ClientIds::Off);
    assert_eq!(config.rest.listen.to_string(), "[::1]:2");
    assert_eq!(config.limits.max_message_ttl, 100_000);
    assert_eq!(config.filters["rate-limit"].on_error, OnError::Pass);
    assert_eq!(config.filters["rate-limit"].settings.object["per_second"], 7);
    assert_eq!(config.log.plugins["sqlite"].value, LevelFilter::DEBUG);
}

#[test]
fn what_kubernetes_tells_of_a_service_of_our_name_is_no_setting() {
    let env = [
        ("SUKKAL_SERVICE_HOST", "10.0.0.1"),
        ("SUKKAL_SERVICE_PORT", "8888"),
        ("SUKKAL_SERVICE_PORT_REST", "8888"),
        ("SUKKAL_PORT", "tcp://10.0.0.1:8888"),
        ("SUKKAL_PORT_8888_TCP", "tcp://10.0.0.1:8888"),
        ("SUKKAL_PORT_8888_TCP_PROTO", "tcp"),
        ("SUKKAL_PORT_8888_TCP_PORT", "8888"),
        ("SUKKAL_PORT_8888_TCP_ADDR", "10.0.0.1"),
        ("SUKKAL_ADMIN_SERVICE_HOST", "10.0.0.2"),
    ];
    assert_eq!(mistakes("", &env), [""; 0]);
    assert_eq!(mistakes("", &[("SUKKAL_PORT", "8888")]).len(), 1, "somebody means a setting");
}

#[test]
fn a_plugin_with_a_hyphen_can_be_set_by_the_environment_alone() {
    let env = [("SUKKAL_PIPELINE", "rate-limit"), ("SUKKAL_FILTERS__RATE_LIMIT__ON_ERROR", "pass")];
    let config = load("", &env).ok().unwrap();
    assert_eq!(config.filters["rate-limit"].on_error, OnError::Pass);
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let text = r#"max_message_ttl = 5
catalog = "nothing"
[limits]
max_message_ttI = 100
max-claim-ttl = 100
max_claim_grace = 59
max_message_delay = "long"
listen = "127.0.0.1:1"
[rest]
listen = "localhost"
[filters.audit]
on_error = "maybe"
actions = ["message_pots", "topic_message_post"]
[nosuch]
"#;
    let told =
        mistakes(text, &[("SUKKAL_LOG__LEVEL", "loud"), ("SUKKAL_NOSUCH_KEY", "1"), ("SUKKAL_REST_LISTEN", "1")]);
    let expected = [
        "sukkal.toml:1: `max_message_ttl` is not known; it belongs into [limits]",
        "sukkal.toml:2: `catalog` must be a URI; begin it with a scheme in lower case, for instance \"sqlite:catalog.db\"",
        "sukkal.toml:4: `limits.max_message_ttI` is not known; did you mean `max_message_ttl`?",
        "sukkal.toml:5: `limits.max-claim-ttl` is not known; did you mean `max_claim_ttl`?",
        "sukkal.toml:6: `limits.max_claim_grace` is 59, and must be a whole number from 60 to 3155760000",
        "sukkal.toml:7: `limits.max_message_delay` must be a whole number from 0 to 3155760000",
        "sukkal.toml:8: `limits.listen` is not known; it belongs into [rest] or [admin] or [websocket]",
        "sukkal.toml:10: `rest.listen` must be an IP address and a port, for instance \"127.0.0.1:8888\"",
        "sukkal.toml:12: `filters.audit.on_error` must be \"refuse\" or \"pass\"",
        "sukkal.toml:13: `filters.audit.actions` names `message_pots`, which is no action; did you mean `message_post`?",
        "sukkal.toml:13: `filters.audit.actions` names `topic_message_post`, which is no action; there are: unknown, get_",
        "environment variable SUKKAL_LOG__LEVEL: `log.level` must be one of",
        "environment variable SUKKAL_REST_LISTEN: `rest_listen` is not known; did you mean SUKKAL_REST__LISTEN?",
    ];
    for line in expected {
        assert!(told.iter().any(|told| told.starts_with(line)), "{line}\nin {told:#?}");
    }
    assert!(told.iter().any(|told| told.starts_with("sukkal.toml:14: `nosuch` is not known")), "{told:#?}");
    assert!(
        told.iter().any(|told| told.starts_with("environment variable SUKKAL_NOSUCH_KEY: `nosuch_key` is not known")),
        "{told:#?}"
    );
}

#[test]
fn a_value_of_another_type_is_told_with_an_example_of_its_own() {
    for (text, told) in [
        ("[rest]\nlisten = 8888", "`rest.listen` must be a text, for instance \"127.0.0.1:8888\""),
        ("catalog = 1", "`catalog` must be a text, for instance \"sqlite:catalog.db\""),
        ("pipeline = \"audit\"", "`pipeline` must be a list of texts, for instance [\"a\", \"b\"]"),
        ("[notifications]\nsubscriber_types = 1", "must be a list of texts, for instance [\"http\",\"https\","),
    ] {
        let mistakes = mistakes(text, &[]);
        assert!(mistakes.len() == 1 && mistakes[0].contains(told), "{told} in {mistakes:#?}");
    }
}

#[test]
fn what_is_no_secret_is_kept_out_of_the_file_by_its_own_variable() {
    for (text, variable) in [
        ("catalog = { env = \"DB\" }", Some("SUKKAL_CATALOG")),
        ("[rest]\nlisten = { file = \"/nosuch\" }", Some("SUKKAL_REST__LISTEN")),
        ("[filters.rate-limit]\nprojects = { env = \"P\" }", Some("SUKKAL_FILTERS__RATE_LIMIT__PROJECTS")),
        ("catalog = { host = \"db\" }", None),
        ("[signed_urls]\nsecret_key = { env = \"SUKKAL_NOT_SET\" }", None),
    ] {
        let told = mistakes(text, &[]);
        let mend = variable.map(|name| format!("to keep it out of the file, set {name} in the environment"));
        assert!(told.len() == 1 && told[0].contains("to keep it out") == mend.is_some(), "{text}: {told:#?}");
        assert!(mend.is_none_or(|mend| told[0].ends_with(&mend)), "{text}: {told:#?}");
    }
}

#[test]
fn a_key_of_elsewhere_is_told_with_every_place_that_has_it() {
    for (text, mend) in [
        ("[rest]\ncors = [\"*\"]", "it is a section of its own: write [cors], whose keys are: allowed_origin"),
        ("[admin]\ntls = 1", "it belongs into [rest] or [websocket]"),
        ("[log]\ncatalog = \"sqlite:x\"", "it belongs into the top of the file, above all sections"),
        ("[log]\non_error = \"pass\"", "it belongs into [filters.NAME]"),
    ] {
        let told = mistakes(text, &[]);
        assert!(told.iter().any(|told| told.ends_with(&format!("is not known; {mend}"))), "{mend} in {told:#?}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let told = mistakes("a = 1\na = 2\n[rest\n", &[]);
    assert!(
        told.iter().any(|told| told.starts_with("sukkal.toml:2: ") && told.ends_with("duplicate key `a`")),
        "{told:#?}"
    );
    assert!(told.iter().any(|told| told.starts_with("sukkal.toml:3: ")), "{told:#?}");
    let missing = Config::load(Some(Path::new("/nonexistent/x.toml")), []).err().unwrap();
    assert!(missing[0].problem.contains("cannot be read"));
}

#[test]
fn a_section_that_is_set_to_a_value_is_told_also_beside_its_keys() {
    let env = [("SUKKAL_LIMITS", "5"), ("SUKKAL_LIMITS__MAX_WAIT", "20")];
    let told = "environment variable SUKKAL_LIMITS: `limits` is a section and holds keys; write [limits]";
    assert_eq!(mistakes("", &env), [told]);
    assert_eq!(mistakes("", &env[..1]), [told]);
    // A secret may be kept in another way than the file says.
    let env = [("SUKKAL_SIGNED_URLS__SECRET_KEY__ENV", "SUKKAL_TEST_NOT_SET")];
    let told = mistakes("[signed_urls]\nsecret_key = \"x\"\n", &env);
    assert!(told.len() == 1 && told[0].contains("SUKKAL_TEST_NOT_SET, which is not set"), "{told:?}");
}

#[test]
fn subscribers_have_uri_schemes() {
    let types = |types: &str| format!("[notifications]\nsubscriber_types = [{types}]\n");
    let config = load(&types(r#""HTTPS", "trust+http", "my-notifier", "x.y2""#), &[]).ok().unwrap();
    assert_eq!(config.notifications.subscriber_types, ["https", "trust+http", "my-notifier", "x.y2"]);
    for wrong in ["ht tp", "", "http:", "2x", "é"] {
        let told = mistakes(&types(&format!("\"http\", \"{wrong}\"")), &[]);
        let wanted = format!(
            "sukkal.toml:2: `notifications.subscriber_types` has {wrong:?}, and must have URI schemes, for instance \"https\""
        );
        assert_eq!(told, [wanted]);
    }
}

#[test]
fn an_address_for_instance_is_the_listeners_own() {
    for (section, port) in [("rest", 8888), ("admin", 8889), ("websocket", 9000)] {
        let told = mistakes(&format!("[{section}]\nlisten = \"nowhere\"\n"), &[]);
        assert!(told.len() == 1 && told[0].contains(&format!("for instance \"127.0.0.1:{port}\"")), "{told:?}");
    }
}

#[test]
fn limits_that_contradict_each_other_are_told() {
    let told = mistakes("[limits]\nmax_message_ttl = 60\n", &[]);
    assert_eq!(
        told,
        [
            "sukkal.toml:2: `limits.max_message_ttl` does not fit: `default_message_ttl` is 3600, and `max_message_ttl` only 60; set both"
        ]
    );
}

#[test]
fn pings_that_would_come_too_late_are_told() {
    for (text, key) in
        [("idle_timeout = 30", "idle_timeout"), ("idle_timeout = 9\nping_interval = 30", "ping_interval")]
    {
        let told = mistakes(&format!("[websocket]\n{text}\n"), &[]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&format!("`websocket.{key}` does not fit: `ping_interval` is 30")), "{told:?}");
    }
    assert!(mistakes("[websocket]\nidle_timeout = 31\n", &[]).is_empty());
}

#[test]
fn listeners_that_take_each_others_port_are_told() {
    for (text, told) in [
        (
            "[admin]\nlisten = \"127.0.0.1:9000\"\n",
            "2: `admin.listen` takes the port of `websocket.listen`: 127.0.0.1:9000",
        ),
        ("[rest]\nlisten = \"127.0.0.1:8889\"\n", "2: `rest.listen` takes the port of `admin.listen`: 127.0.0.1:8889"),
        (
            "[websocket]\nlisten = \"0.0.0.0:8888\"\n",
            "2: `websocket.listen` takes the port of `rest.listen`: 0.0.0.0:8888",
        ),
    ] {
        assert_eq!(mistakes(text, &[]), [format!("sukkal.toml:{told}; give each a port of its own")]);
    }
    for sound in ["127.0.0.1:0", "127.0.0.2:8888", ""] {
        let both = format!("[admin]\nlisten = \"127.0.0.1:0\"\n[websocket]\nlisten = \"{sound}\"\n");
        assert_eq!(mistakes(&both, &[]), [""; 0], "{sound}");
    }
}

#[test]
fn secrets_are_read_from_where_they_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, "s3cret\n").unwrap();
    let text = format!(
        "[plugins.redis]\npassword = {{ file = \"{}\" }}\nkey = {{ env = \"SUKKAL_TEST_NOT_SET\" }}\n",
        file.display()
    );
    let told = mistakes(&text, &[]);
    assert_eq!(
        told,
        ["sukkal.toml:3: `plugins.redis.key` names the environment variable SUKKAL_TEST_NOT_SET, which is not set"]
    );
    let config = load(text.lines().take(2).collect::<Vec<_>>().join("\n").as_str(), &[]).ok().unwrap();
    assert_eq!(config.plugins["redis"].object["password"], "s3cret");
    // A variable that the file names is no setting, however it is called.
    assert_eq!(mistakes(&text, &[("SUKKAL_TEST_NOT_SET", "x")]).len(), 1);
    assert_eq!(config.plugins["redis"].origin("/password/x").to_string().rsplit_once(':').unwrap().1, "2");
}

#[test]
fn the_key_of_signed_urls_is_a_secret() {
    let config = load("[signed_urls]\nsecret_key = \"s3cret\"\n", &[]).ok().unwrap();
    assert_eq!(config.signed_urls.secret_key.as_ref().map(Secret::reveal), Some("s3cret"));
    assert_eq!(format!("{:?}", config.signed_urls.secret_key), "Some(***)");
    let config = load("", &[("SUKKAL_SIGNED_URLS__SECRET_KEY", "from the environment")]).ok().unwrap();
    assert_eq!(config.signed_urls.secret_key.as_ref().map(Secret::reveal), Some("from the environment"));
    for (value, told) in [
        ("\"\"", "must not be empty"),
        ("5", "must be a text, { env = \"NAME\" } or { file = \"path\" }"),
        ("{ nosuch = \"x\" }", "must be a text, { env = \"NAME\" } or { file = \"path\" }"),
    ] {
        let told = format!("sukkal.toml:2: `signed_urls.secret_key` {told}");
        assert_eq!(mistakes(&format!("[signed_urls]\nsecret_key = {value}\n"), &[]), [told]);
    }
}

#[test]
fn origins_are_what_browsers_send() {
    let good = "[cors]\nallowed_origin = [\"https://app.example.org\", \"http://localhost:3000\", \"*\"]";
    assert_eq!(load(good, &[]).ok().unwrap().cors.allowed_origin.len(), 3);
    for wrong in
        ["app.example.org", "https://app.example.org/", "https://App.example.org", "https://", ""].into_iter().chain([
            "https://a.example.org:443",
            "http://a.example.org:80",
            "https://*.example.org",
            "http://localhost:99999",
        ])
    {
        let told = mistakes(&format!("[cors]\nallowed_origin = [\"https://ok.example.org\", \"{wrong}\"]"), &[]);
        assert!(told.len() == 1 && told[0].contains(&format!("has {wrong:?}")), "{told:?}");
    }
}

/// A byte of MessagePack is six of JSON at the most.
#[test]
fn a_page_of_the_longest_messages_closes_no_websocket() {
    let config = Config::default();
    let limits = &config.limits;
    let n_messages = limits.max_messages_per_page.max(limits.max_messages_per_claim_or_pop);
    assert!(u64::from(config.websocket.max_unread) > u64::from(n_messages) * limits.max_messages_post_size * 6);
}
