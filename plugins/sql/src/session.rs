//! One connection, of whichever engine: statements in, rows out.

use sqlx::mysql::MySqlRow;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Decode, MySql, Postgres, Row as _, Type};

/// Which engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    MySql,
}

/// A connection on loan from the pool. It goes back there only by [`Session::give_back`]: whatever
/// breaks off in the middle closes it, and with that the database takes back what was not committed.
pub struct Session {
    connection: Option<Connection>,
    /// By how much a test has moved the clock, in milliseconds.
    shift: i64,
}

enum Connection {
    Postgres(PoolConnection<Postgres>),
    MySql(PoolConnection<MySql>),
}

/// A value that is bound to a statement.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A number.
    Number(i64),
    /// A number, or null.
    Perhaps(Option<i64>),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A row that was read.
pub enum Row {
    /// PostgreSQL's.
    Postgres(PgRow),
    /// MySQL's.
    MySql(MySqlRow),
}

impl Session {
    /// A connection to PostgreSQL.
    pub fn postgres(connection: PoolConnection<Postgres>, shift: i64) -> Session {
        Session { connection: Some(Connection::Postgres(connection)), shift }
    }

    /// A connection to MySQL or MariaDB.
    pub fn mysql(connection: PoolConnection<MySql>, shift: i64) -> Session {
        Session { connection: Some(Connection::MySql(connection)), shift }
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match self.connection {
            Some(Connection::MySql(_)) => Engine::MySql,
            _ => Engine::Postgres,
        }
    }

    /// The time as an expression: the server's clock in milliseconds since 1970, as of the
    /// statement's beginning.
    pub fn now(&self) -> String {
        let now = match self.engine() {
            Engine::Postgres => "cast(extract(epoch FROM statement_timestamp()) * 1000 AS bigint)",
            // Connections run in UTC, which has no hour twice.
            Engine::MySql => "cast(unix_timestamp(now(3)) * 1000 AS signed)",
        };
        if self.shift == 0 { now.to_owned() } else { format!("({now} + {})", self.shift) }
    }

    /// Runs a statement, whose values are written `?`; answers how many rows it concerned.
    pub async fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> sqlx::Result<u64> {
        match self.connection()? {
            Connection::Postgres(connection) => {
                let query = values.iter().fold(sqlx::query(AssertSqlSafe(numbered(sql))), bind_postgres);
                Ok(query.execute(&mut **connection).await?.rows_affected())
            }
            Connection::MySql(connection) => {
                let query = values.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind_mysql);
                Ok(query.execute(&mut **connection).await?.rows_affected())
            }
        }
    }

    /// Runs a statement, whose values are written `?`; answers its rows.
    pub async fn fetch(&mut self, sql: &str, values: &[Value<'_>]) -> sqlx::Result<Vec<Row>> {
        match self.connection()? {
            Connection::Postgres(connection) => {
                let query = values.iter().fold(sqlx::query(AssertSqlSafe(numbered(sql))), bind_postgres);
                Ok(query.fetch_all(&mut **connection).await?.into_iter().map(Row::Postgres).collect())
            }
            Connection::MySql(connection) => {
                let query = values.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind_mysql);
                Ok(query.fetch_all(&mut **connection).await?.into_iter().map(Row::MySql).collect())
            }
        }
    }

    /// Runs statements without values, which need not be prepared: those that end and begin
    /// transactions, and those that make tables.
    pub async fn run(&mut self, sql: &'static str) -> sqlx::Result<()> {
        match self.connection()? {
            Connection::Postgres(connection) => sqlx::raw_sql(sql).execute(&mut **connection).await.map(drop),
            Connection::MySql(connection) => sqlx::raw_sql(sql).execute(&mut **connection).await.map(drop),
        }
    }

    /// Gives the connection back to the pool, for the next.
    pub fn give_back(mut self) {
        drop(self.connection.take());
    }

    fn connection(&mut self) -> sqlx::Result<&mut Connection> {
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        match self.connection.take() {
            Some(Connection::Postgres(connection)) => drop(connection.detach()),
            Some(Connection::MySql(connection)) => drop(connection.detach()),
            None => {}
        }
    }
}

impl Row {
    /// The number in a column.
    pub fn number(&self, column: usize) -> sqlx::Result<i64> {
        self.get(column)
    }

    /// The number in a column, if there is one.
    pub fn perhaps(&self, column: usize) -> sqlx::Result<Option<i64>> {
        self.get(column)
    }

    /// The bytes in a column.
    pub fn bytes(&self, column: usize) -> sqlx::Result<Vec<u8>> {
        self.get(column)
    }

    /// The text in a column.
    pub fn text(&self, column: usize) -> sqlx::Result<String> {
        self.get(column)
    }

    fn get<T>(&self, column: usize) -> sqlx::Result<T>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, MySql> + Type<MySql>,
    {
        match self {
            Row::Postgres(row) => row.try_get(column),
            Row::MySql(row) => row.try_get(column),
        }
    }
}

type PostgresQuery<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;
type MySqlQuery<'q> = sqlx::query::Query<'q, MySql, sqlx::mysql::MySqlArguments>;

fn bind_postgres<'q>(query: PostgresQuery<'q>, value: &Value<'_>) -> PostgresQuery<'q> {
    match *value {
        Value::Number(number) => query.bind(number),
        Value::Perhaps(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
    }
}

fn bind_mysql<'q>(query: MySqlQuery<'q>, value: &Value<'_>) -> MySqlQuery<'q> {
    match *value {
        Value::Number(number) => query.bind(number),
        Value::Perhaps(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
    }
}

/// PostgreSQL numbers its values: `?, ?` is `$1, $2` there. No statement of ours has a question
/// mark of another meaning.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.zip(1..).fold(first, |text, (part, number)| format!("{text}${number}{part}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_are_numbered_for_postgresql() {
        assert_eq!(super::numbered("a = ? AND (b > ? OR c)"), "a = $1 AND (b > $2 OR c)");
        assert_eq!(super::numbered("COMMIT"), "COMMIT");
    }
}
