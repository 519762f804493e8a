//! What a URI says, and what the service needs whatever it says.

use std::path::{Path, PathBuf};

use mongodb::options::{ClientOptions, ReadConcern, Tls};
use sukkal_plugin_sdk::{Error, Result};

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
/// `Invalid`: it cannot be read.
pub async fn options(uri: &str, settings: &Settings) -> Result<ClientOptions> {
    // The driver's own words are left out: they may hold the URI, and with it the password.
    let mut options = ClientOptions::parse(uri).await.map_err(|_| {
        Error::invalid("the uri cannot be read; write mongodb://USER:PASSWORD@HOST,HOST/DATABASE?PARAMETER=VALUE")
    })?;
    options.app_name = Some("sukkal".to_owned());
    options.write_concern = Some(durable());
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(primary());
    options.retry_writes = Some(true);
    options.max_pool_size.get_or_insert(settings.connections);
    options.connect_timeout.get_or_insert(settings.connect_timeout());
    options.server_selection_timeout = Some(settings.timeout());
    if let Some(Tls::Enabled(tls)) = &mut options.tls
        && tls.ca_file_path.is_none()
    {
        tls.ca_file_path = trusted();
    }
    if options.direct_connection == Some(true) {
        return Err(Error::invalid("leave out directConnection: writes must follow the primary"));
    }
    Ok(options)
}

/// The certificates that the system trusts, as other programs find them.
fn trusted() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    named.or_else(|| TRUSTED.into_iter().map(PathBuf::from).find(|path: &PathBuf| Path::exists(path)))
}
