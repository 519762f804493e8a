//! PostgreSQL, MySQL and MariaDB: a catalog that many hosts share.
#![forbid(unsafe_code)]

mod catalog;
mod commit;
mod durability;
mod error;
mod read;
mod schema;
mod server;
mod session;
mod settings;
mod uri;

sukkal_plugin_sdk::export_plugin! {
    settings: settings::Settings,
    catalogs: {
        "postgres" => catalog::Catalog::postgres,
        "postgresql" => catalog::Catalog::postgres,
        "mysql" => catalog::Catalog::mysql,
        "mariadb" => catalog::Catalog::mysql,
    },
    check: uri::check,
}
