//! What a URI says, and what the service needs whatever it says.

use std::path::{Path, PathBuf};

use mongodb::options::{ClientOptions, ConnectionString, ReadConcern, Tls};
use sukkal_plugin_sdk::store::tellable;
use sukkal_plugin_sdk::{Error, Result};

use crate::error::of_driver;
use crate::server::{durable, primary};
use crate::settings::Settings;

/// Where distributions keep the certificates that a system trusts: the driver knows of none of them.
const TRUSTED: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How the servers of a URI are reached.
///
/// # Errors
/// `Invalid`: it cannot be read. `Unavailable`: the names of its servers cannot be looked up.
pub async fn options(uri: &str, settings: &Settings) -> Result<ClientOptions> {
    let mut options = ClientOptions::parse(read(uri)?).await.map_err(|error| of_driver(&error))?;
    options.app_name = Some("sukkal".to_owned());
    options.write_concern = Some(durable());
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(primary());
    options.retry_writes = Some(true);
    options.max_pool_size.get_or_insert(settings.connections);
    options.connect_timeout.get_or_insert(settings.connect_timeout());
    // Less than anybody waits: the driver knows why there is no server.
    options.server_selection_timeout = Some(settings.timeout() * 9 / 10);
    if let Some(Tls::Enabled(tls)) = &mut options.tls
        && tls.ca_file_path.is_none()
    {
        tls.ca_file_path = trusted();
    }
    Ok(options)
}

/// What is wrong with a URI, and with the settings beside it.
///
/// # Errors
/// `Invalid`: it cannot be read, or a setting is out of its range.
pub fn check(uri: &str, settings: Settings) -> Result<()> {
    read(uri)?;
    settings.check()
}

/// A URI as the driver reads it; no name is looked up yet.
fn read(uri: &str) -> Result<ConnectionString> {
    // The driver's own words are left out: they may hold the URI, and with it the password.
    let read = ConnectionString::parse(uri).map_err(|_| match wrong_parameter(uri) {
        Some(name) => {
            Error::invalid(format!("the uri's parameter {name} is not known, or its value is not one it takes"))
        }
        None => Error::invalid(
            "the uri cannot be read; write mongodb://USER:PASSWORD@HOST,HOST/DATABASE?PARAMETER=VALUE, and in a \
             password `?`, `&`, `@`, `/` and `:` as %3F, %26, %40, %2F and %3A",
        ),
    })?;
    if read.direct_connection == Some(true) {
        return Err(Error::invalid("leave out directConnection: writes must follow the primary"));
    }
    Ok(read)
}

/// The first parameter with which a URI cannot be read any more, unless its name may be a secret.
fn wrong_parameter(uri: &str) -> Option<&str> {
    let (base, query) = uri.split_once('?')?;
    ConnectionString::parse(base).ok()?;
    let ends = query.match_indices('&').map(|(at, _)| at).chain([query.len()]);
    let end = ends.into_iter().find(|end| ConnectionString::parse(format!("{base}?{}", &query[..*end])).is_err())?;
    let wrong = query[..end].rsplit('&').next()?;
    let name = wrong.split_once('=').map_or(wrong, |(name, _)| name);
    tellable(query, name).then_some(name)
}

/// The certificates that the system trusts, as other programs find them.
fn trusted() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    named.or_else(|| TRUSTED.into_iter().map(PathBuf::from).find(|path: &PathBuf| Path::exists(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(uri: &str) -> Option<String> {
        check(uri, Settings::default()).err().map(|error| error.message)
    }

    #[test]
    fn a_wrong_parameter_is_named_and_no_value_shown() {
        for (uri, name) in [
            ("mongodb://me:hidden@h/d?nonsense=hidden", "nonsense"),
            ("mongodb://me:hidden@h/?w=majority&tls=hidden&journal=true", "tls"),
            ("mongodb+srv://me:hidden@h/?maxPoolSize=hidden", "maxPoolSize"),
            ("mongodb://h?tls", "tls"),
        ] {
            let told = refused(uri).unwrap_or_default();
            assert!(told.contains(&format!("parameter {name} ")) && !told.contains("hidden"), "{uri}: {told}");
        }
        for uri in ["mongodb://", "mongodb://h/d?directConnection=true", "mongodb://h:x"] {
            assert!(refused(uri).is_some_and(|told| !told.contains("parameter ")), "{uri}");
        }
        for uri in [
            "mongodb://me:x?hidden@h/d",
            "mongodb://me:12?hidden@h/d",
            "mongodb://me:12?hidden=1@h/d",
            "mongodb://h/d?tlsCertificateKeyFilePassword=a&hidden",
            "mongodb://h/d?password=a&hidden=b",
        ] {
            assert!(refused(uri).is_some_and(|told| !told.contains("hidden")), "{uri}: {:?}", refused(uri));
        }
        for uri in ["mongodb://h", "mongodb://a,b:5/d?replicaSet=r&tls=true", "mongodb+srv://name.example.org/d"] {
            assert_eq!(refused(uri), None, "{uri}");
        }
    }
}
