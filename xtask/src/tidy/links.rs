//! Links of the documentation that lead nowhere.

use std::path::{Path, PathBuf};

use super::files::read;
use crate::failure::Failure;
use crate::project;

/// Complaints about relative links in Markdown files whose target is not there.
pub fn check(files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut complaints = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let folder = path.parent().unwrap_or(Path::new(""));
        for link in links(&read(path)?) {
            if !folder.join(&link).exists() {
                let name = path.strip_prefix(project::root()).unwrap_or(path).display();
                complaints.push(format!("{name}: the link to {link} leads nowhere"));
            }
        }
    }
    Ok(complaints)
}

/// The targets of `[text](target)` outside code, without fragments; addresses of the web are left out.
fn links(markdown: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            links.extend(line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link));
        }
    }
    let files = links.into_iter().filter(|link| !link.contains("://") && !link.starts_with(['#', '<']));
    files.filter_map(|link| link.split('#').next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::links;

    #[test]
    fn only_files_outside_code_are_links() {
        let markdown =
            "[a](docs/a.md#part) [web](https://example.org) [here](#there)\n```\n[code](x.md)\n```\n[b](b.md)";
        assert_eq!(links(markdown), ["docs/a.md", "b.md"]);
    }
}
