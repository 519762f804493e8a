//! The documentation that packages bring: what is in it, and its links.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::failure::Failure;
use crate::project;

use super::parts::{READ, put, tracked, write};

/// The pages for operators, authors and clients, and the examples that they speak of.
pub fn documents() -> Result<Vec<PathBuf>, Failure> {
    let pages = tracked("README.md CHANGELOG.md docs plugins")?;
    let pages = pages.into_iter().filter(|path| is_page(path));
    let examples = tracked("examples tests/clients/project_auth")?;
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    Ok(pages.chain(examples.into_iter().filter(|path| !hidden(path))).collect())
}

/// Puts them below a folder. What a page links to and packages do not bring is a link no more.
pub fn put_below(folder: &Path, documents: &[PathBuf]) -> Result<(), Failure> {
    let there: BTreeSet<&Path> = documents.iter().flat_map(|path| path.ancestors()).collect();
    for path in documents {
        let (from, to) = (project::root().join(path), folder.join(path));
        if is_page(path) {
            let text =
                std::fs::read_to_string(&from).map_err(Failure::io(format!("cannot read {}", from.display())))?;
            write(&to, with_links_to(&there, path, &text).as_bytes(), READ)?;
        } else {
            put(&from, &to, READ)?;
        }
    }
    Ok(())
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// A page's text, in which `[text](target)` is `text` where the target is not among those that are there. Code
/// stays as it is.
fn with_links_to(there: &BTreeSet<&Path>, page: &Path, text: &str) -> String {
    let in_turn = text.split("```").enumerate();
    let parts = in_turn.map(|(at, part)| if at % 2 == 0 { with_links(there, page, part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("```")
}

fn with_links(there: &BTreeSet<&Path>, page: &Path, text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let link = before.rsplit_once('[').zip(after.split_once(')'));
        let Some(((outside, label), (_, behind))) = link.filter(|(_, (target, _))| is_dead(there, page, target)) else {
            written.push_str(before);
            written.push_str("](");
            rest = after;
            continue;
        };
        written.push_str(outside);
        written.push_str(label);
        rest = behind;
    }
    written + rest
}

fn is_dead(there: &BTreeSet<&Path>, page: &Path, target: &str) -> bool {
    let file = target.split('#').next().unwrap_or_default();
    if file.is_empty() || file.contains("://") || file.contains(char::is_whitespace) {
        return false;
    }
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    !there.contains(path.as_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_what_packages_do_not_bring_are_links_no_more() {
        let there = ["docs/a.md", "docs", "examples"].map(Path::new).into();
        let text = "[a](a.md#part), [`web`](https://example.org/x.md), [here](#there), [src](../core), [all](../examples) \
                    and [two](../tests/x.rs), x[0](y z)\n```\n[x](y)\n```\n[x](y)";
        let written = "[a](a.md#part), [`web`](https://example.org/x.md), [here](#there), src, [all](../examples) \
                       and two, x[0](y z)\n```\n[x](y)\n```\nx";
        assert_eq!(with_links_to(&there, Path::new("docs/b.md"), text), written);
    }
}
