//! A guide of the documentation, followed word for word in an empty directory.
//!
//! What a reader does is done: code blocks of `sh` are run, one after the other in one shell; a block
//! that follows a line ending in "`some/file`:" is written to that file; one of `diff` is applied.
//! `sukkal serve` runs on beside the rest until the next one, and is waited for until it listens. A
//! block of `text` right after a command shows what it prints: each line must be found in the
//! output, `…` standing for anything. `sh fails` marks commands that must not succeed.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::host::alone;
use crate::programs;
use crate::servers::free_port;

/// The host's address as the documentation has it.
const PRINTED: &str = "127.0.0.1:8888";
/// The directory of Sukkal's own plugins as the documentation has it.
const PLUGINS: &str = "/usr/lib/sukkal/plugins";

/// What a reader does.
enum Step {
    Run { code: String, fails: bool },
    Serve { code: String },
    Write { path: String, text: String },
    Apply { diff: String },
}

/// Follows a guide of the checkout.
///
/// # Panics
/// When something does not come out as the guide says; with all that was done and printed.
pub fn follow(guide: &str) {
    let markdown = std::fs::read_to_string(programs::checkout(guide)).expect("the guide can be read");
    let address = format!("127.0.0.1:{}", free_port());
    let plugins = programs::folder().to_string_lossy().into_owned();
    let (steps, shown) = parse(&markdown.replace(PRINTED, &address).replace(PLUGINS, &plugins));
    assert!(!steps.is_empty(), "{guide} has nothing to do");
    let folder = tempfile::TempDir::with_prefix("sukkal-guide-").expect("a temporary folder can be made");
    let (work, out) = (folder.path().join("work"), folder.path().join("out"));
    std::fs::create_dir(&work).expect("a folder can be made");
    std::fs::create_dir(&out).expect("a folder can be made");
    let output = shell(&script(&steps), &work, &out, &address).output().expect("a shell can be started");
    let printed = |step: usize| std::fs::read_to_string(out.join(step.to_string())).unwrap_or_default();
    let all = || (0..steps.len()).map(|step| format!("--- step {step}\n{}", printed(step))).collect::<String>();
    assert!(output.status.success(), "{guide}: {}{}", all(), String::from_utf8_lossy(&output.stderr));
    for (step, line) in shown {
        let found = printed(step).lines().any(|printed| agrees(line.trim(), printed));
        assert!(found, "{guide}: step {step} does not print `{line}`:\n{}", all());
    }
}

/// The steps; and the lines that they are said to print, each with its step.
fn parse(markdown: &str) -> (Vec<Step>, Vec<(usize, String)>) {
    let (mut steps, mut shown) = (Vec::new(), Vec::new());
    let (mut before, mut after_command) = ("", false);
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                (before, after_command) = (line, false);
            }
            continue;
        };
        let code: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        let named = before.strip_suffix("`:").and_then(|before| before.rsplit_once('`'));
        match (language, named) {
            ("sh" | "sh fails", _) if code.starts_with("sukkal serve") => steps.push(Step::Serve { code }),
            ("sh" | "sh fails", _) => steps.push(Step::Run { code, fails: language != "sh" }),
            ("text", _) if after_command => {
                let lines = code.lines().filter(|line| line.trim() != "…");
                shown.extend(lines.map(|line| (steps.len() - 1, line.to_owned())));
            }
            ("diff", _) => steps.push(Step::Apply { diff: code }),
            (_, Some((_, path))) => steps.push(Step::Write { path: path.to_owned(), text: code }),
            _ => {}
        }
        after_command = language.starts_with("sh");
    }
    (steps, shown)
}

fn script(steps: &[Step]) -> String {
    let mut script = String::from(
        "set -euo pipefail\nserver=\n\
         stop() { if [ -n \"$server\" ]; then kill \"$server\" || true; wait \"$server\" || true; fi; server=; }\n\
         trap stop EXIT\n",
    );
    for (number, step) in steps.iter().enumerate() {
        let _ = match step {
            Step::Run { code, fails: false } => writeln!(script, "{{\n{code}}} >\"$OUT/{number}\" 2>&1"),
            Step::Run { code, fails: true } => {
                writeln!(script, "if {{\n{code}}} >\"$OUT/{number}\" 2>&1; then echo 'it succeeds' >&2; exit 1; fi")
            }
            Step::Serve { code } => {
                let code = code.trim();
                writeln!(script, "stop\n{code} >\"$OUT/{number}\" 2>&1 &\nserver=$!\nfor try in {{1..1200}}; do")
                    .and_then(|()| writeln!(script, "  grep -q 'listening on' \"$OUT/{number}\" && break"))
                    .and_then(|()| writeln!(script, "  kill -0 \"$server\"; sleep 0.05\ndone"))
            }
            Step::Write { path, text } => {
                writeln!(script, "mkdir -p \"$(dirname {path})\"\ncat >{path} <<'THE END OF IT'\n{text}THE END OF IT")
            }
            Step::Apply { diff } => {
                writeln!(script, "git apply --verbose - >\"$OUT/{number}\" 2>&1 <<'THE END OF IT'\n{diff}THE END OF IT")
            }
        };
    }
    script
}

/// A shell whose `sukkal` is the one under test. What it builds is built beside `tests/libraries`,
/// with what those have built already.
fn shell(script: &str, work: &Path, out: &Path, address: &str) -> Command {
    let mut shell = Command::new("bash");
    alone(&mut shell);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(programs::folder()).chain(std::env::split_paths(&path));
    let target = programs::folder().parent().map(Path::to_owned).unwrap_or_default();
    for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_PROFILE", "RUST_BACKTRACE"] {
        shell.env_remove(name);
    }
    shell.arg("-c").arg(script).current_dir(work);
    shell.env("OUT", out).env("PATH", std::env::join_paths(path).expect("a path can be put before others"));
    shell.env("CARGO_BUILD_BUILD_DIR", target.join("libraries"));
    // All that the SDK stands on was fetched when the workspace was built.
    shell.env("CARGO_NET_OFFLINE", "true").env("CARGO_INCREMENTAL", "0");
    shell.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_PROFILE_TEST_DEBUG", "false");
    shell.env("SUKKAL_REST__LISTEN", address).env("SUKKAL_ADMIN__LISTEN", "127.0.0.1:0");
    shell
}

/// Whether a printed line has what a guide shows of it, in that order.
fn agrees(shown: &str, printed: &str) -> bool {
    let mut rest = printed;
    shown.split('…').all(|part| match rest.split_once(part.trim()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}
