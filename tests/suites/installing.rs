//! Installing: what `cargo xtask dist` packs is installed, run as its unit says, and removed.
//!
//! That takes root: the package is installed into a copy of this machine, in which everything is
//! there and nothing that is written stays (an overlay, with processes and mounts of its own).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;
use sukkal_tests::host::alone;
use sukkal_tests::tls::Authority;
use sukkal_tests::{Client, programs};

/// Waits for commands at the shell's door, in a machine that is a copy of this one.
const COPY: &str = r#"
mount -t tmpfs -o size=4g tmpfs "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay -o lowerdir=/,upperdir="$1/changes",workdir="$1/work" overlay "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
exec chroot "$1/root" /bin/sh -e
"#;

/// How long a command may take in the copy.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a crate may be built in it.
const BUILDING: Duration = Duration::from_secs(200);
/// Ends the output of a command.
const END: &str = "--- ended with ";

/// A copy of this machine, with a shell in it. Dropping it leaves nothing.
struct Machine {
    shell: Child,
    lines: mpsc::Receiver<String>,
    _folder: tempfile::TempDir,
}

impl Machine {
    /// None where this user may not make one.
    fn copy() -> Option<Machine> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let shell = || {
            let mut shell = Command::new("unshare");
            shell
                .args(["--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-ec", COPY, "copy"])
                .arg(folder.path());
            shell
        };
        // With nothing to read it ends at once, and with it all that it mounted.
        let tried = shell().stdin(Stdio::null()).output().expect("a shell can be started");
        if !tried.status.success() {
            eprintln!("not run: it takes root to install a package: {}", String::from_utf8_lossy(&tried.stderr));
            return None;
        }
        let mut shell = shell().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell can be started");
        let output = BufReader::new(shell.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Some(Machine { shell, lines, _folder: folder })
    }

    /// Gives the shell a command, and returns its output and status.
    fn try_run(&mut self, patience: Duration, command: &str) -> (String, i32) {
        use std::io::Write;
        let input = self.shell.stdin.as_mut().expect("it is piped");
        writeln!(input, "({command}) < /dev/null 2>&1 && echo '{END}0' || echo \"{END}$?\"").expect("the shell reads");
        let mut told = String::new();
        loop {
            let line = self.lines.recv_timeout(patience).unwrap_or_else(|_| panic!("{command}: no end of:\n{told}"));
            match line.rsplit_once(END) {
                Some((last, status)) => return (told + last, status.parse().expect("a status")),
                None => told.push_str(&(line + "\n")),
            }
        }
    }

    /// The output of a command that must succeed.
    #[track_caller]
    fn run(&mut self, command: &str) -> String {
        self.run_for(PATIENCE, command)
    }

    /// The same with another patience.
    #[track_caller]
    fn run_for(&mut self, patience: Duration, command: &str) -> String {
        let (told, status) = self.try_run(patience, command);
        assert_eq!(status, 0, "{command}: {told}");
        told
    }

    /// Whether a command succeeds.
    fn holds(&mut self, command: &str) -> bool {
        self.try_run(PATIENCE, command).1 == 0
    }

    /// The first line of a file that has a text in it, once it is there.
    fn line_of(&mut self, file: &str, text: &str) -> String {
        self.run(&format!("timeout 20 sh -c 'until grep -m1 \"{text}\" {file}; do sleep 0.02; done' || cat {file}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The shell ends with its input, and with it all that it has started and mounted.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Packs what is built.
fn dist(out: &Path) -> BTreeMap<String, PathBuf> {
    let folder = programs::folder();
    let profile = if folder.ends_with("debug") { "dev" } else { "release" };
    let mut command = Command::new(folder.join("xtask"));
    command.args(["dist", "--built", "--profile", profile, "--out"]).arg(out);
    succeed(&mut command);
    let files = std::fs::read_dir(out).expect("the packages").flatten();
    files.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path())).collect()
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().expect("the program can be started");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What the unit says under a key.
fn unit(key: &str) -> String {
    let unit = std::fs::read_to_string(programs::checkout("packaging/sukkal.service")).expect("the unit");
    let found = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("the unit has no {key}")).to_owned()
}

/// The command that runs what the unit runs, as systemd would, apart from the sandbox.
fn as_the_unit_does(more: &str) -> String {
    let (user, group, start) = (unit("User"), unit("Group"), unit("ExecStart"));
    let (folder, umask) = (unit("WorkingDirectory"), unit("UMask"));
    format!(
        "cd {folder}; umask {umask}; set -a; . /etc/sukkal/environment; set +a; \
         exec setpriv --reuid {user} --regid {group} --clear-groups --no-new-privs {more} {start}"
    )
}

const DATA: &str = "/var/lib/sukkal";

#[tokio::test]
async fn the_package_is_installed_serves_is_upgraded_and_purged() {
    let Some(mut machine) = Machine::copy() else { return };
    let out = tempfile::tempdir().expect("a temporary folder can be made");
    let files = dist(out.path());
    let package = files.iter().find(|(name, _)| name.ends_with(".deb")).expect("a package").1.display();
    machine.run(&format!("dpkg --install {package}"));
    machine.run("sukkal plugin list | grep '^sqlite '");
    for (path, owner, mode) in [
        ("/usr/bin/sukkal", "root:root", "755"),
        ("/usr/lib/sukkal/plugins/libsukkal_sqlite.so", "root:root", "644"),
        ("/usr/lib/systemd/system/sukkal.service", "root:root", "644"),
        ("/usr/share/doc/sukkal/docs/operating.md", "root:root", "644"),
        ("/usr/share/sukkal/sdk/plugin-sdk/src/lib.rs", "root:root", "644"),
        ("/usr/share/man/man1/sukkal.1.gz", "root:root", "644"),
        ("/usr/share/bash-completion/completions/sukkal", "root:root", "644"),
        ("/etc/sukkal/sukkal.toml", "root:sukkal", "640"),
        (DATA, "sukkal:sukkal", "750"),
    ] {
        assert_eq!(machine.run(&format!("stat -c '%U:%G %a' {path}")), format!("{owner} {mode}\n"), "{path}");
    }
    assert!(!machine.holds("test -e /usr/lib/sukkal/plugins/libsukkal_example_filter.so"));
    assert!(machine.holds("test -L /etc/systemd/system/multi-user.target.wants/sukkal.service"), "it starts at boot");
    if machine.holds("command -v systemd-analyze") {
        let told = machine.run("systemd-analyze verify /usr/lib/systemd/system/sukkal.service");
        assert!(!told.contains("sukkal.service"), "{told}");
    }
    machine.run("/usr/bin/sukkal config check --config /etc/sukkal/sukkal.toml");

    let sent = serve_and_post(&mut machine, 0).await;
    // An upgrade keeps what was set and what is stored.
    machine.run("sed -i 's/^#level = .*/level = \"warn\"/' /etc/sukkal/sukkal.toml");
    machine.run(&format!("dpkg --install {package}"));
    assert!(machine.holds("grep -q '^level = \"warn\"' /etc/sukkal/sukkal.toml"));
    machine.run("sed -i 's/^level = .*/#level = \"info\"/' /etc/sukkal/sukkal.toml");
    assert_eq!(serve_and_post(&mut machine, sent).await, sent + 1);

    an_author_makes_a_plugin(&mut machine);

    machine.run("dpkg --remove sukkal");
    assert!(!machine.holds("test -e /usr/bin/sukkal"));
    assert!(machine.holds(&format!("test -e {DATA}/pool.db && test -e /etc/sukkal/sukkal.toml")), "they outlive it");
    machine.run("dpkg --purge sukkal");
    for gone in [DATA, "/etc/sukkal", "/usr/lib/sukkal", "/usr/share/sukkal", "/usr/share/doc/sukkal"] {
        assert!(!machine.holds(&format!("test -e {gone}")), "{gone} is left");
    }
    assert!(!machine.holds("getent passwd sukkal"), "the user is left");
}

/// Makes a filter from nothing but the package, builds it against the package's SDK, and loads it.
fn an_author_makes_a_plugin(machine: &mut Machine) {
    let made = machine.run("mkdir /tmp/author; cd /tmp/author; /usr/bin/sukkal plugin new filter stamp");
    assert!(made.contains("its SDK: /usr/share/sukkal/sdk/plugin-sdk\n"), "{made}");
    // What the tests of this checkout have built of other crates is not built again.
    let built = programs::folder().parent().map(|target| target.join("libraries")).unwrap_or_default();
    let as_there = "CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=false CARGO_TARGET_DIR=target";
    let build = format!("env {as_there} CARGO_BUILD_BUILD_DIR={} cargo build --offline", built.display());
    machine.run_for(BUILDING, &format!("cd /tmp/author/stamp; {build}"));
    let told = machine.run("/usr/bin/sukkal plugin inspect /tmp/author/stamp/target/debug/libsukkal_stamp.so");
    assert!(told.contains("filters    stamp"), "{told}");
}

/// Starts the service as its unit does, finds the messages of before, posts one, and stops it.
async fn serve_and_post(machine: &mut Machine, before: usize) -> usize {
    for listener in ["REST", "WEBSOCKET", "ADMIN"] {
        machine.run(&format!("echo SUKKAL_{listener}__LISTEN=127.0.0.1:0 >> /etc/sukkal/environment; : > /tmp/log"));
    }
    let start = as_the_unit_does("");
    machine.run(&format!("({start}) > /tmp/log 2>&1 & echo $! > /tmp/pid"));
    let line = machine.line_of("/tmp/log", "listening on http://");
    let address = line.split("listening on ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let client = Client::new(address.unwrap_or_else(|| panic!("no address in {line}")));
    let message = json!({ "messages": [{ "ttl": 3600, "body": "installed" }] });
    client.post("/v2/queues/orders/messages", message).await.expect(201);
    let listed = client.get("/v2/queues/orders/messages?echo=true").await.json();
    let count = listed["messages"].as_array().map_or(0, Vec::len);
    assert_eq!(count, before + 1);
    let user = machine.run("stat -c %U /proc/$(cat /tmp/pid)");
    assert_eq!(user, "sukkal\n");
    assert_eq!(machine.run(&format!("stat -c '%U %a' {DATA}/pool.db")), "sukkal 600\n");
    machine.run("kill $(cat /tmp/pid); timeout 20 sh -c 'while kill -0 $(cat /tmp/pid); do sleep 0.05; done' 2>&1");
    assert!(machine.run("cat /tmp/log").contains("stopped"), "it ends as it should");
    count
}

#[tokio::test]
async fn the_tarball_serves_from_where_it_is_unpacked() {
    let out = tempfile::tempdir().expect("a temporary folder can be made");
    let files = dist(out.path());
    let (name, path) = files.iter().find(|(name, _)| name.ends_with(".tar.gz")).expect("a tarball");
    succeed(Command::new("tar").arg("--extract").arg("--file").arg(path).arg("--directory").arg(out.path()));
    let folder = out.path().join(name.trim_end_matches(".tar.gz"));
    let mut check = Command::new(folder.join("sukkal"));
    check.current_dir(&folder).args(["config", "check", "--config", "sukkal.toml"]);
    alone(&mut check);
    succeed(&mut check);
    let mut list = Command::new(folder.join("sukkal"));
    alone(list.current_dir(&folder).args(["plugin", "list"]));
    let told = String::from_utf8_lossy(&succeed(&mut list).stdout).into_owned();
    for plugin in ["sqlite", "memory", "redis", "audit", "rate-limit"] {
        assert!(told.contains(plugin), "{plugin} in: {told}");
    }
}

/// What is commented out in the file that operators start from is right, too.
#[test]
fn each_setting_of_the_default_configuration_is_one() {
    let text = std::fs::read_to_string(programs::checkout("packaging/sukkal.toml")).expect("the settings");
    let prose = |line: &str| line.starts_with("# ");
    let set: String =
        text.lines().filter(|line| !prose(line)).map(|line| format!("{}\n", line.trim_start_matches('#'))).collect();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (file, key) = (folder.path().join("sukkal.toml"), folder.path().join("signing-key"));
    std::fs::write(&key, "a key for signing\n").expect("a file can be written");
    let mut set = set.replace("/etc/sukkal/signing-key", &key.to_string_lossy());
    Authority::default().issue(folder.path(), "host");
    for (name, own) in [("cert.pem", "host.pem"), ("key.pem", "host.key")] {
        set = set.replace(&format!("/etc/sukkal/{name}"), &folder.path().join(own).to_string_lossy());
    }
    let set = set.replace("/usr/lib/sukkal/plugins", &programs::folder().to_string_lossy());
    std::fs::write(&file, &set).expect("a file can be written");
    let mut check = Command::new(programs::sukkal());
    alone(check.args(["config", "check", "--config"]).arg(&file));
    let output = check.output().expect("the program can be started");
    assert!(output.status.success(), "{set}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Each path that the image's recipe names is one of the package's.
#[test]
fn the_dockerfile_names_what_the_package_brings() {
    let recipe = std::fs::read_to_string(programs::checkout("packaging/Dockerfile")).expect("the recipe");
    let start = unit("ExecStart");
    let (program, arguments) = start.split_once(' ').expect("a program and its arguments");
    let arguments: Vec<String> = arguments.split(' ').map(|argument| format!("\"{argument}\"")).collect();
    for part in [
        format!("ENTRYPOINT [\"{program}\"]"),
        format!("CMD [{}]", arguments.join(", ")),
        format!("ENV SUKKAL_CONFIG={}\n", start.rsplit(' ').next().expect("a file of settings")),
        // By its number, which is how a cluster sees that it is not root.
        format!(
            "--uid 900 --gid 900 --home-dir {} --no-create-home --shell /usr/sbin/nologin {}\n",
            unit("WorkingDirectory"),
            unit("User")
        ),
        "USER 900:900\n".to_owned(),
        format!("WORKDIR {}", unit("WorkingDirectory")),
        format!("VOLUME {}", unit("WorkingDirectory")),
    ] {
        assert!(recipe.contains(&part), "`{part}` in:\n{recipe}");
    }
}

/// The versions of the C library that a file's symbols ask for.
fn glibc(path: &Path) -> Vec<(u32, u32)> {
    use object::{Object, ObjectSection};
    let bytes = std::fs::read(path).expect("a built file can be read");
    let file = object::File::parse(&*bytes).expect("it is an ELF file");
    let names = file.section_by_name(".dynstr").expect("it is linked dynamically").data().expect("names").to_vec();
    let names = names.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    let versions = names.filter_map(|name| name.strip_prefix("GLIBC_")?.split_once('.'));
    versions.filter_map(|(major, minor)| Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))).collect()
}

#[test]
fn the_oldest_glibc_is_the_one_that_is_documented() {
    let plugins = std::fs::read_dir(programs::checkout("plugins")).expect("the plugins").flatten();
    let names = plugins.map(|plugin| format!("sukkal-{}", plugin.file_name().to_string_lossy()));
    let files = names.map(|name| programs::library(&name)).chain([programs::sukkal()]);
    let (major, minor) = files.flat_map(|path| glibc(&path)).max().expect("they need the C library");
    let page = std::fs::read_to_string(programs::checkout("docs/operating/installing.md")).expect("the page");
    assert!(page.contains(&format!("glibc {major}.{minor} or newer")), "they need glibc {major}.{minor}");
    let control = std::fs::read_to_string(programs::checkout("packaging/debian/control")).expect("the control file");
    assert!(control.contains(&format!("libc6 (>= {major}.{minor})")), "they need glibc {major}.{minor}");
}
