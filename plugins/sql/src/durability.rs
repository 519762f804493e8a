//! Whether the database keeps what it has acknowledged.

use crate::error::Fail;
use crate::server::Work;
use crate::session::{Engine, Session};

/// What an operator should be warned of: settings of the server with which a crash can take commits
/// that were acknowledged.
pub struct Warnings;

impl Work for Warnings {
    type Done = Vec<String>;

    async fn on(&self, session: &mut Session) -> Result<Vec<String>, Fail> {
        let (sql, risks): (_, &[Risk]) = match session.engine() {
            Engine::Postgres => (
                "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')",
                &[("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")],
            ),
            Engine::MySql => (
                "SHOW GLOBAL VARIABLES WHERE variable_name IN \
                 ('innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'log_bin', 'sync_binlog')",
                &[
                    ("innodb_flush_log_at_trx_commit", "0"),
                    ("innodb_flush_log_at_trx_commit", "2"),
                    ("innodb_doublewrite", "OFF"),
                ],
            ),
        };
        let mut settings = Vec::new();
        for row in session.fetch(sql, &[]).await? {
            settings.push((row.text(0)?, row.text(1)?));
        }
        // With a binary log, recovery rolls back what has not come there.
        let counts_binlog = settings.iter().any(|(name, value)| name == "log_bin" && value == "ON");
        settings.retain(|(name, value)| {
            risks.contains(&(name.as_str(), value.as_str())) || counts_binlog && name == "sync_binlog" && value != "1"
        });
        let warning = |(name, value): (String, String)| {
            format!("the database runs with {name} = {value}: a crash of its machine can take commits")
        };
        Ok(settings.into_iter().map(warning).collect())
    }
}

/// A setting, and the value with which acknowledged commits can be lost.
type Risk = (&'static str, &'static str);
