//! What a URI says: which database, as whom, in which way.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::PgConnectOptions;
use sukkal_plugin_sdk::store::tellable;
use sukkal_plugin_sdk::{Error, Result};

use crate::settings::Settings;

/// What PostgreSQL's URIs can set; the driver passes over other names.
const POSTGRES: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "statement-cache-capacity",
    "ssl-mode",
    "ssl-root-cert",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
];
/// What MySQL's and MariaDB's can.
const MYSQL: &[&str] = &[
    "ssl-mode",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "charset",
    "collation",
    "socket",
    "timezone",
    "statement-cache-capacity",
    "sslmode",
    "sslca",
    "sslcert",
    "sslkey",
    "time-zone",
];

/// What is wrong with a URI, and with the settings beside it.
///
/// # Errors
/// `Invalid`: it cannot be read, or a setting is out of its range.
pub fn check(uri: &str, settings: Settings) -> Result<()> {
    settings.check()?;
    if uri.starts_with("postgres") { postgres(uri).map(drop) } else { mysql(uri).map(drop) }
}

/// A URI of PostgreSQL.
///
/// # Errors
/// `Invalid`: it cannot be read.
pub fn postgres(uri: &str) -> Result<PgConnectOptions> {
    read(uri, POSTGRES)
}

/// A URI of MySQL or MariaDB. Over a socket there is no TLS.
///
/// # Errors
/// `Invalid`: it cannot be read, or asks for TLS over a socket.
pub fn mysql(uri: &str) -> Result<MySqlConnectOptions> {
    // The driver knows one of the two names.
    let uri = uri.strip_prefix("mariadb:").map_or_else(|| uri.to_owned(), |rest| format!("mysql:{rest}"));
    let options: MySqlConnectOptions = read(&uri, MYSQL)?;
    if options.get_socket().is_none() {
        return Ok(options);
    }
    // The driver speaks TLS over TCP alone: over a socket the server would wait for it in vain.
    match options.get_ssl_mode() {
        MySqlSslMode::Disabled | MySqlSslMode::Preferred => Ok(options.ssl_mode(MySqlSslMode::Disabled)),
        MySqlSslMode::Required | MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity => Err(Error::invalid(
            "the uri asks for TLS over a socket, which never leaves the machine and goes without it; leave ssl-mode out",
        )),
    }
}

/// Where a database is: a socket, or host and port.
pub fn address(socket: Option<&Path>, host: impl Display, port: u16) -> String {
    socket.map_or_else(|| format!("{host}:{port}"), |socket| socket.display().to_string())
}

/// The driver reads what stands before the parameters first: behind a `?` that is a password's there are none.
/// It never sees an unknown one, which it would log.
fn read<O: FromStr>(uri: &str, names: &[&str]) -> Result<O> {
    let (start, query) = uri.split_once('?').unwrap_or((uri, ""));
    O::from_str(start).map_err(|_| unreadable())?;
    known(query, names)?;
    O::from_str(uri).map_err(|_| unreadable())
}

/// A name that is mistyped would not be missed: `ssl_mode` would leave the connection open to all.
fn known(query: &str, names: &[&str]) -> Result<()> {
    let given = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap_or(pair));
    let unknown = given.into_iter().find(|name| !names.contains(name) && !name.starts_with("options["));
    match unknown {
        None => Ok(()),
        Some(name) => {
            let which =
                if tellable(query, name) { format!("no parameter {name}") } else { "an unknown parameter".into() };
            let known = names.join(", ");
            Err(Error::invalid(format!("the uri has {which}; it knows {known}; {ENCODE}")))
        }
    }
}

/// What becomes of signs in a password that mean something in a URI.
const ENCODE: &str = "in a password `?`, `&`, `@`, `/` and `#` are written as %3F, %26, %40, %2F and %23";

/// The driver's own words are left out: they may hold the URI, and with it the password.
fn unreadable() -> Error {
    Error::invalid(format!(
        "the uri of the catalog cannot be read, or a parameter has a value that it does not take; write \
         postgres://USER:PASSWORD@HOST/DATABASE or mysql://…; {ENCODE}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(uri: &str) -> Option<String> {
        check(uri, Settings::default()).err().map(|error| error.message)
    }

    #[test]
    fn unknown_parameters_and_values_are_refused_and_no_password_is_told() {
        for uri in [
            "postgres://me:hidden@h/d?ssl_mode=hidden",
            "postgresql://me:hidden@h/d?sslmode=hidden",
            "mysql://me:hidden@h/d?ssl_mode=hidden",
            "mariadb://me:hidden@h/d?sslmode=hidden",
            "mysql://me:hidden@h:hidden/d",
            "postgres://me:x?hidden@h/d",
            "mysql://me:x?hidden@h/d",
            "postgres://me:12?hidden@h/d",
            "mariadb://me:12?hidden@h/d",
            "mysql://me:12?hidden=1@h/d",
            "postgres://h/d?password=a&hidden",
            "postgres://h/d?password=a&hidden=b",
            "mysql://h/d?password=a&hidden",
        ] {
            assert!(refused(uri).is_some_and(|told| !told.contains("hidden")), "{uri}: {:?}", refused(uri));
        }
        assert!(refused("postgres://h/d?ssl_mode=x").is_some_and(|told| told.contains("no parameter ssl_mode")));
        for uri in [
            "postgres://me:p@h/d?sslmode=verify-full&options[search_path]=s&application_name=a",
            "postgresql://h",
            "mysql://me:p@h/d?ssl-mode=REQUIRED",
            "mariadb://h/d?socket=/run/mysqld.sock",
            "mysql://h/d?socket=/run/mysqld.sock&ssl-mode=PREFERRED",
        ] {
            assert_eq!(refused(uri), None, "{uri}");
        }
        for mode in ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"] {
            let uri = format!("mysql://h/d?socket=/run/mysqld.sock&ssl-mode={mode}");
            assert!(refused(&uri).is_some_and(|told| told.contains("TLS over a socket")), "{uri}");
        }
    }
}
