//! The files of certificates: what is wrong with them is told before the start, and so is one that is not in force.

use std::path::Path;
use std::process::Command;

use sukkal_tests::host::{Setup, alone};
use sukkal_tests::programs;
use sukkal_tests::tls::{Authority, HOST};

use crate::tls::run;

fn check(folder: &Path, text: &str) -> (bool, String) {
    std::fs::write(folder.join("sukkal.toml"), text).expect("the configuration can be written");
    let mut command = Command::new(programs::sukkal());
    alone(&mut command);
    run(command.current_dir(folder).args(["config", "check", "--config", "sukkal.toml"]))
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_before_the_start() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    authority.issue(folder.path(), "good");
    authority.issue(folder.path(), "other");
    for (name, text) in [
        ("empty", ""),
        ("encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"),
        ("nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("weak", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ("torn", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file can be read");
    for (name, rest) in [("chain.pem", authority.pem()), ("torn-chain.pem", read("nonsense"))] {
        std::fs::write(folder.path().join(name), read("good.pem") + &rest).expect("a file can be written");
    }
    for (cert, key, of, told) in [
        ("good.pem", "good.key", "", ""),
        ("chain.pem", "good.key", "", ""),
        ("torn-chain.pem", "good.key", "cert", "a certificate of which cannot be read"),
        ("nosuch", "good.key", "cert", "cannot be read"),
        (".", "good.key", "cert", "cannot be read"),
        ("good.key", "good.key", "cert", "holds no certificate"),
        ("empty", "good.key", "cert", "holds no certificate"),
        ("torn", "good.key", "cert", "is broken"),
        ("nonsense", "good.key", "cert", "whose certificate cannot be read"),
        ("good.pem", "nosuch", "key", "check the path"),
        ("good.pem", "good.pem", "key", "holds no private key"),
        ("good.pem", "encrypted", "key", "without one"),
        ("good.pem", "weak", "key", "of a kind that cannot be used"),
        ("good.pem", "other.key", "key", "is the key of another certificate"),
    ] {
        for section in ["rest", "websocket"] {
            let text = format!("[{section}]\n[{section}.tls]\ncert = {cert:?}\nkey = {key:?}\n");
            let (sound, output) = check(folder.path(), &text);
            assert_eq!(sound, of.is_empty(), "{cert}, {key}: {output}");
            let line = if of == "cert" { 3 } else { 4 };
            let place = format!("sukkal.toml:{line}: `{section}.tls.{of}` ");
            assert!(of.is_empty() || output.contains(&place) && output.contains(told), "{cert}, {key}: {output}");
            assert!(of.is_empty() || output.lines().count() == 1, "{output}");
        }
    }
    for (text, told) in [
        ("[rest]\ntls = true\n", "`rest.tls` must be a table"),
        ("[rest]\ntls = { cert = \"good.pem\" }\n", "`rest.tls` must name two files"),
        (
            "[rest]\ntls = { cert = \"good.pem\", key = \"good.key\", kye = 1 }\n",
            "`rest.tls.kye` is not known; did you mean `key`?",
        ),
        ("[websocket]\ntls = { cert = 5, key = \"nosuch\" }\n", "`websocket.tls.cert` must be a text"),
    ] {
        let (sound, output) = check(folder.path(), text);
        assert!(!sound && output.contains(told), "{text}: {output}");
    }
    // Two mistakes in one run.
    let (_, output) = check(folder.path(), "[rest]\ntls = { cert = \"nosuch\", key = \"nosuch\" }\n");
    assert_eq!(output.lines().count(), 2, "{output}");
}

#[tokio::test]
async fn a_certificate_that_is_not_in_force_is_told_by_the_check_and_at_the_start() {
    let authority = Authority::default();
    let mut host = authority.prepare(Setup::default());
    authority.issue_until(host.folder(), HOST, 2020);
    let text = std::fs::read_to_string(host.folder().join("sukkal.toml")).expect("the configuration");
    let (sound, told) = check(host.folder(), &text);
    assert!(sound, "it is no mistake: {told}");
    for section in ["rest", "websocket"] {
        let line = told.lines().find(|line| line.contains(&format!("`{section}.tls.cert`"))).unwrap_or_default();
        assert!(line.contains("ended on Jan  1 00:00:00 2020") && line.contains("renew it"), "{told}");
    }
    host.start_again().await;
    let log = host.log();
    let warned = log.lines().filter(|line| line.contains(" WARN ") && line.contains("ended on Jan  1")).count();
    assert_eq!(warned, 2, "{log}");

    authority.issue_from(host.folder(), HOST, 2500);
    let (sound, told) = check(host.folder(), &text);
    assert!(sound && told.contains("begins on Jan  1 00:00:00 2500") && told.contains("clock"), "{told}");
    authority.issue(host.folder(), HOST);
    let (sound, told) = check(host.folder(), &text);
    assert!(sound && !told.contains("tls.cert"), "{told}");
}

#[test]
fn files_come_from_the_environment_too_and_are_shown() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    authority.issue(folder.path(), "good");
    let mut command = Command::new(programs::sukkal());
    alone(&mut command);
    command.current_dir(folder.path()).args(["config", "show"]);
    let (shown, text) = run(command.env("SUKKAL_REST__TLS__CERT", "good.pem").env("SUKKAL_REST__TLS__KEY", "good.key"));
    assert!(shown && text.contains("tls = { cert = \"good.pem\", key = \"good.key\" }"), "{text}");
    let key = std::fs::read_to_string(folder.path().join("good.key")).expect("a key");
    assert!(!text.contains(key.lines().nth(1).expect("a line of a key")));
    // What is shown is a configuration by itself.
    assert!(check(folder.path(), &text).0);
}
