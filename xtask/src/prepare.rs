//! What the end-to-end tests find ready: the host, its plugins, bad plugins, and the Python clients.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::project;

/// The clients' packages, each pinned with all that it needs.
const REQUIREMENTS: &str = "tests/clients/requirements.txt";

/// The servers that tests start: a file of each, and its package.
const SERVERS: [(&str, &str); 5] = [
    ("/usr/sbin/haproxy", "haproxy"),
    ("/usr/lib/postgresql/15/bin/postgres", "postgresql"),
    ("/usr/sbin/mariadbd", "mariadb-server"),
    ("/usr/bin/redis-server", "redis-server"),
    ("/usr/bin/redis-sentinel", "redis-sentinel"),
];

/// Builds what the tests start, and makes the Python environment where it is missing or old.
pub fn run() -> Result<(), Failure> {
    // All at once: with `-p`, features would unify in another way and much would be built twice.
    project::run(&mut project::cargo("build --workspace"))?;
    libraries()?;
    python()
}

/// Installs on a Debian machine what building and testing need. Nothing where all is there.
pub fn machine() -> Result<(), Failure> {
    let mut packages = Vec::new();
    if !project::answers("cc", "--version") {
        packages.extend(["gcc", "libc6-dev"]);
    }
    if !project::answers("python3", "-m ensurepip --version") {
        packages.extend(["python3", "python3-venv"]);
    }
    if !project::answers("chromium", "--version") {
        packages.extend(["chromium", "fonts-liberation"]);
    }
    // Databases are asked for by their files: PostgreSQL's programs are not on the path.
    for (file, package) in SERVERS {
        if !Path::new(file).exists() {
            packages.push(package);
        }
    }
    for program in ["curl", "git"] {
        if !project::answers(program, "--version") {
            packages.push(program);
        }
    }
    if !packages.is_empty() {
        project::run(&mut project::command("apt-get", "update"))?;
        project::run(project::command("apt-get", "install -y --no-install-recommends").args(packages))?;
    }
    if !project::answers("cargo", "nextest --version") {
        project::run(&mut project::cargo("install --locked cargo-nextest"))?;
    }
    Ok(())
}

/// Builds the plugins that misbehave or must be refused, away from where hosts look for plugins.
fn libraries() -> Result<(), Failure> {
    let mut build = project::cargo("build --workspace --manifest-path tests/libraries/Cargo.toml --target-dir");
    project::run(build.arg(project::target().join("libraries")))
}

fn python() -> Result<(), Failure> {
    let venv = project::target().join("venv");
    let wanted = read(project::root().join(REQUIREMENTS))?;
    // The copy is written last, so that an interrupted installation is begun anew.
    let installed = venv.join("installed.txt");
    if std::fs::read(&installed).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    project::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.current_dir(project::root()).args(["install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]);
    project::run(&mut pip)?;
    std::fs::write(&installed, wanted).map_err(Failure::io(format!("cannot write {}", installed.display())))
}

fn read(path: PathBuf) -> Result<Vec<u8>, Failure> {
    std::fs::read(&path).map_err(Failure::io(format!("cannot read {}", path.display())))
}
