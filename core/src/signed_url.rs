//! Signed URLs: who holds one may use some paths of a project without any other credentials
//! (spec: auth and policy, Pre-signed URLs).
//!
//! Signed are the paths, methods, project and end, joined by a separator of two characters, a
//! backslash and an `n`. So neither paths nor methods may have a backslash: with one, a text that was
//! signed for one grant would read as that of another.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use sukkal_plugin_sdk::{Headers, Request, Timestamp};

use crate::instant;

const SEPARATOR: &str = "\\n";

/// The key by which URLs are signed. Cheap to clone; never shown.
#[derive(Clone)]
pub struct UrlSigner(Hmac<Sha256>);

/// What the holder of a signed URL may do.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Paths; each stands for what is below it as well. Sorted.
    pub paths: Vec<String>,
    /// HTTP methods, their case kept. Sorted.
    pub methods: Vec<String>,
    /// The project in which the holder acts.
    pub project: String,
    /// When it ends, in whole seconds of UTC: `2026-01-01T00:00:00`.
    pub expires: String,
}

/// A grant and its signature.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedUrl {
    /// What was signed.
    pub grant: Grant,
    /// 64 lower-case hexadecimal digits.
    pub signature: String,
}

/// A signature as a request presents it, and what the request does. All of it comes from the client
/// but for `method` and `path`, which the transport derives from what is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Presented {
    /// The signature.
    pub signature: String,
    /// The paths that it is said to cover.
    pub paths: Vec<String>,
    /// The methods that it is said to cover.
    pub methods: Vec<String>,
    /// When it is said to end.
    pub expires: String,
    /// The request's method, `GET` and the like.
    pub method: String,
    /// The path of what the request asks for, not decoded, without a query.
    pub path: String,
}

impl UrlSigner {
    /// Signs by a secret of any length; an empty one is none.
    pub fn new(secret: &str) -> Option<Self> {
        let key = Some(secret.as_bytes()).filter(|secret| !secret.is_empty())?;
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).ok().map(UrlSigner)
    }

    /// Signs a grant.
    pub fn sign(&self, grant: Grant) -> SignedUrl {
        SignedUrl { signature: self.signature(&grant), grant }
    }

    /// Whether a request may be let through: its signature is ours, covers it, and has not ended.
    pub(crate) fn allows(&self, presented: &Presented, project: &str, now: Timestamp) -> bool {
        let Presented { signature, paths, methods, expires, method, path } = presented;
        let Some(end) = instant::parse(expires) else { return false };
        let unambiguous = |text: &String| !text.contains('\\');
        let grant = Grant::new(paths.clone(), methods.clone(), project, end);
        // Always computed, so that the time an answer takes does not tell which part is wrong.
        let genuine: bool = self.signature(&grant).as_bytes().ct_eq(signature.as_bytes()).into();
        genuine
            && end > now
            && paths.iter().chain(methods).all(unambiguous)
            && methods.contains(method)
            && paths.iter().any(|granted| covers(granted, path))
    }

    fn signature(&self, grant: &Grant) -> String {
        let Grant { paths, methods, project, expires } = grant;
        let text = [&paths.join(","), &methods.join(","), project, expires].map(String::as_str).join(SEPARATOR);
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UrlSigner")
    }
}

impl Grant {
    /// A grant in the form in which it is signed.
    pub fn new(mut paths: Vec<String>, mut methods: Vec<String>, project: &str, expires: Timestamp) -> Self {
        paths.sort();
        methods.sort();
        Grant { paths, methods, project: project.to_owned(), expires: instant::utc(expires) }
    }
}

/// Whether a path is a granted one or below it, segment by segment.
fn covers(granted: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    granted.starts_with("/v2/") && granted.split('/').all(|segment| segments.next() == Some(segment))
}

/// Removes what a client says of its identity: who signed a URL is known, and nothing else counts. In one
/// pass, since a frame may have thousands of headers.
pub(crate) fn drop_identity(request: &mut Request) {
    let mut kept = Headers::new();
    for (name, value) in request.headers().iter().filter(|(name, _)| !tells_identity(name)) {
        kept.add(name, value);
    }
    *request.headers_mut() = kept;
}

/// Headers by which an identity service would tell who sends a request, and credentials.
fn tells_identity(name: &str) -> bool {
    const PREFIXES: [&str; 5] = ["x-tenant-", "x-user-", "x-domain-", "x-project-", "x-service-"];
    const NAMES: [&str; 6] = ["x-auth-token", "x-roles", "x-role", "x-user", "x-identity-status", "x-is-admin-project"];
    name != "x-project-id" && (NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests;
