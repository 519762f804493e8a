//! What the program writes for shells and for readers of manuals.

use std::process::{Command, Output};

use sukkal_tests::host::alone;
use sukkal_tests::programs;

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(programs::sukkal());
    alone(&mut command);
    command.args(arguments).output().expect("the program can be started")
}

#[test]
fn completions_and_manual_know_every_command() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let pages = folder.path().join("man").display().to_string();
    assert!(run(&["man", "--dir", &pages]).status.success());
    let page = std::fs::read_to_string(folder.path().join("man/sukkal-queue-post.1")).expect("a page for each command");
    assert!(page.contains("standard input"), "{page}");
    assert!(String::from_utf8_lossy(&run(&["man"]).stdout).contains(".TH sukkal 1"));
    for (shell, mark) in [
        ("bash", "complete -F _sukkal"),
        ("zsh", "#compdef sukkal"),
        ("fish", "complete -c sukkal"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = run(&["completions", shell]).stdout;
        let script = String::from_utf8_lossy(&script);
        assert!(
            [mark, "serve", "purge", "token-file", "inspect"].iter().all(|word| script.contains(word)),
            "{shell}: {script}"
        );
    }
    let script = run(&["completions", "bash"]).stdout;
    let path = folder.path().join("sukkal.bash");
    std::fs::write(&path, script).expect("a file can be written");
    let complete = format!(
        "source '{}'; COMP_WORDS=(sukkal queue pu); COMP_CWORD=2; _sukkal sukkal pu queue; echo ${{COMPREPLY[@]}}",
        path.display()
    );
    let output = Command::new("bash").args(["-c", &complete]).output().expect("bash can be started");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "purge", "{}", String::from_utf8_lossy(&output.stderr));
}
