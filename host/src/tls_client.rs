//! TLS as the commands of this program speak it: whom they trust, and what its errors mean.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;

use rustls::InvalidMessage;

/// The variable that names a file of certificates to trust in place of the system's. Most plugins read it,
/// too.
const TRUSTED: &str = "SSL_CERT_FILE";

/// Whether the file of certificates that the environment names can be read; the libraries that read it go
/// on without it, and then trust nobody.
///
/// # Errors
/// It cannot; in one line.
pub fn check_trusted() -> Result<(), String> {
    std::env::var_os(TRUSTED).map_or(Ok(()), readable)
}

fn readable(name: OsString) -> Result<(), String> {
    let path = Path::new(&name);
    let error = match File::open(path).and_then(|file| file.metadata()) {
        Ok(file) if !file.is_dir() => return Ok(()),
        Ok(_) => "it is a folder".to_owned(),
        Err(error) => error.to_string(),
    };
    let path = path.display();
    Err(format!(
        "{TRUSTED} names {path}, which cannot be read: {error}; correct it, or leave it unset to trust whom the \
                 system trusts"
    ))
}

/// The error of TLS within another, if that is one. Errors of the system can hold others, which are not
/// their sources.
pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let held = held.and_then(|held| of(held));
    error.downcast_ref().or(held).or_else(|| error.source().and_then(of))
}

/// Whether whoever answered speaks no TLS at all.
pub fn is_spoken_by_nobody(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType))
}

/// What is wrong with a server that TLS cannot be spoken with, as the end of a sentence, and what to do.
pub fn explain(error: &rustls::Error) -> (String, &'static str) {
    use rustls::CertificateError as Certificate;
    use rustls::Error::{AlertReceived, InvalidCertificate, PeerIncompatible};
    let shows = |what: &str| format!("shows a certificate {what}");
    match error {
        error if is_spoken_by_nobody(error) => {
            ("speaks no TLS".to_owned(), "write http:// for https://, or ws:// for wss://")
        }
        InvalidCertificate(Certificate::UnknownIssuer) => (
            shows("of an authority that is not trusted here"),
            "have SSL_CERT_FILE name a file with the authority's own certificate, in PEM",
        ),
        // An authority is found by its name, and has another key: mostly one that was made anew, where its certificate
        // of before is trusted.
        InvalidCertificate(
            Certificate::BadSignature | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => (
            shows("that was signed with another key than that of the authority of this name that is trusted here"),
            "have SSL_CERT_FILE name a file with the authority's present certificate, in PEM",
        ),
        InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            (shows("that has ended"), "have its operator renew it, or correct this machine's clock")
        }
        InvalidCertificate(Certificate::NotValidYet | Certificate::NotValidYetContext { .. }) => {
            (shows("that is not in force yet"), "correct the clock of this machine or of the server's")
        }
        InvalidCertificate(Certificate::NotValidForName | Certificate::NotValidForNameContext { .. }) => {
            (shows("of another name than that in the URL"), "write the name for which it was issued into the URL")
        }
        InvalidCertificate(Certificate::Revoked) => (shows("that was revoked"), "have its operator renew it"),
        InvalidCertificate(wrong) if wrong.to_string().contains("CaUsedAsEndEntity") => (
            shows("that is an authority's own"),
            "have the server show one that was issued for it (basicConstraints=CA:FALSE)",
        ),
        InvalidCertificate(wrong) => (shows(&format!("that cannot be trusted: {wrong}")), "have its operator renew it"),
        AlertReceived(_) | PeerIncompatible(_) => (
            format!("and this program find no TLS that both speak: {error}"),
            "have it speak TLS 1.2 or 1.3, without certificates of clients",
        ),
        error => (format!("cannot be spoken to by TLS: {error}"), "see whether it is a server of this API"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_file_is_told_with_its_name() {
        for wrong in ["/no/such/file.pem", "", "/"] {
            let told = readable(wrong.into()).err().unwrap_or_default();
            assert!(told.contains(&format!("{TRUSTED} names {wrong}, ")), "{told}");
        }
        assert_eq!(readable("/dev/null".into()), Ok(()));
    }

    #[test]
    fn an_error_of_tls_is_found_inside_of_others() {
        let inner = || rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let outer = std::io::Error::other(std::io::Error::new(std::io::ErrorKind::InvalidData, inner()));
        assert!(of(&outer).is_some_and(is_spoken_by_nobody));
        assert!(of(&std::io::Error::other("else")).is_none());
    }
}
