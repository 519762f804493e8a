//! Where a new crate finds the SDK.

use std::fmt;
use std::path::{Path, PathBuf};

use sukkal_plugin_sdk::load::SDK_VERSION;

/// The package.
const PACKAGE: &str = "sukkal-plugin-sdk";

/// Where the SDK lies, seen from a folder that the program lies in: in a checkout, a tarball's folder,
/// and below `/usr`.
const COMES_IN: [&str; 3] = ["plugin-sdk", "sdk/plugin-sdk", "share/sukkal/sdk/plugin-sdk"];

/// Where the SDK is.
#[derive(Debug, PartialEq, Eq)]
pub enum Sdk {
    /// In a folder.
    Path(PathBuf),
    /// In a git repository.
    Git(String),
    /// Nowhere yet: to be published.
    Published,
}

impl Sdk {
    /// What an author named: a checkout, the SDK's own folder, or a URL.
    ///
    /// # Errors
    /// There is no SDK; in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Ok(Sdk::Git(text.to_owned()));
        }
        let path = Path::new(text);
        let found = [path.to_owned(), path.join("plugin-sdk")].into_iter().find(|folder| holds_sdk(folder));
        let found = found.and_then(|folder| folder.canonicalize().ok());
        found.map(Sdk::Path).ok_or_else(|| {
            format!("there is no {PACKAGE} in {text}; name a checkout of Sukkal, or the URL of a git repository")
        })
    }

    /// The SDK that came with this program: of the checkout that it was built in, beside it in a
    /// tarball's folder, or where the package puts it.
    pub fn of_this_program() -> Self {
        super::beside_this_program(&COMES_IN, holds_sdk).map_or(Sdk::Published, Sdk::Path)
    }

    /// The key and value of the dependency: `path = "/some/where"`.
    pub fn dependency(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        match self {
            Sdk::Path(path) => format!("path = {}", quoted(&path.to_string_lossy())),
            Sdk::Git(url) => format!("git = {}", quoted(url)),
            Sdk::Published => format!("version = {}", quoted(&line(SDK_VERSION))),
        }
    }

    /// What the author should know of it, for the crate's manifest.
    pub fn remark(&self) -> &'static str {
        match self {
            Sdk::Path(_) => "# The SDK on this machine. Elsewhere: `git = \"URL\"` of a repository of Sukkal.",
            Sdk::Git(_) => "# A plugin loads where the host's SDK is of this major version, and not older.",
            Sdk::Published => {
                "# The SDK is not published yet: write `path = \"FOLDER/plugin-sdk\"` or `git = \"URL\"` for `version`."
            }
        }
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sdk::Path(path) => write!(f, "{}", path.display()),
            Sdk::Git(url) => f.write_str(url),
            Sdk::Published => {
                let version = line(SDK_VERSION);
                write!(f, "{PACKAGE} {version}, which is not published yet, so nothing builds; name a checkout of ")?;
                f.write_str("Sukkal or its git repository in Cargo.toml, or begin anew with --sdk")
            }
        }
    }
}

/// Whether a folder is that of the SDK.
fn holds_sdk(folder: &Path) -> bool {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest = toml::from_str::<toml::Table>(&manifest).unwrap_or_default();
    manifest.get("package").and_then(|package| package.get("name")?.as_str()) == Some(PACKAGE)
}

/// The line of a version: `1.1` of `1.1.0`.
fn line(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_its_sdk_and_a_url_are_taken() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let sdk = Sdk::Path(checkout.join("plugin-sdk").canonicalize().unwrap());
        assert_eq!(Sdk::parse(&checkout.to_string_lossy()), Ok(sdk));
        assert!(matches!(Sdk::parse(&checkout.join("plugin-sdk").to_string_lossy()), Ok(Sdk::Path(_))));
        let url = "https://example.org/sukkal.git";
        assert_eq!(Sdk::parse(url).map(|sdk| sdk.dependency()), Ok(format!("git = \"{url}\"")));
        assert!(Sdk::parse(&checkout.join("host").to_string_lossy()).is_err());
    }

    #[test]
    fn a_path_is_quoted() {
        assert_eq!(Sdk::Path("/a \"b\"".into()).dependency(), "path = '/a \"b\"'");
    }
}
