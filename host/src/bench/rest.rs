//! Operations over HTTP.

use std::io::Write as _;

use super::Options;
use super::connection::Connection;
use super::fault::Broken;
use super::session::{Operation, Reply};
use super::target::{Form, Target};

/// How long claimed messages are held: longer than any piece of work takes.
const CLAIM: &[u8] = br#"{"ttl":300,"grace":60}"#;

/// A kept-alive connection, and what its requests have in common.
#[derive(Debug)]
pub struct Rest {
    connection: Connection,
    /// What comes before a queue's number in a path.
    queues: String,
    headers: String,
    limit: u16,
    request: Vec<u8>,
}

impl Rest {
    /// A session with the server.
    pub fn new(options: &Options, target: &Target) -> Rest {
        Rest {
            connection: Connection::new(target.server.clone(), options.timeout()),
            queues: format!("{}/v2/queues/{}-", target.base, options.prefix),
            headers: headers(target),
            limit: options.limit,
            request: Vec::new(),
        }
    }

    /// Does an operation on the queue with this number.
    pub async fn perform(&mut self, operation: Operation<'_>, queue: usize) -> Result<Reply<'_>, Broken> {
        self.request.clear();
        self.write(operation, queue);
        let (status, body) = self.connection.exchange(&self.request).await?;
        Ok(Reply { status, body, form: Form::Json })
    }

    fn write(&mut self, operation: Operation<'_>, queue: usize) {
        let (request, limit) = (&mut self.request, self.limit);
        let (method, body) = match operation {
            Operation::CreateQueue => ("PUT", &b""[..]),
            Operation::DeleteQueue | Operation::Delete(_) => ("DELETE", &b""[..]),
            Operation::List { .. } => ("GET", &b""[..]),
            Operation::Post(messages) => ("POST", messages),
            Operation::Claim { .. } => ("POST", CLAIM),
        };
        // Writing to a Vec does not fail.
        let _ = write!(request, "{method} {}{queue}", self.queues);
        let _ = match operation {
            Operation::CreateQueue | Operation::DeleteQueue => Ok(()),
            Operation::Post(_) => write!(request, "/messages"),
            Operation::Claim { wait: 0 } => write!(request, "/claims?limit={limit}"),
            Operation::Claim { wait } => write!(request, "/claims?limit={limit}&wait={wait}"),
            Operation::Delete(ids) => write!(request, "/messages?ids={ids}"),
            Operation::List { own } => write!(request, "/messages?limit={limit}&echo={own}"),
        };
        let _ = write!(request, " HTTP/1.1\r\n{}", self.headers);
        let (before, after) = match operation {
            Operation::Post(_) => (&br#"{"messages":"#[..], &b"}"[..]),
            _ => (&b""[..], &b""[..]),
        };
        if !body.is_empty() {
            let _ = write!(request, "Content-Length: {}\r\n", before.len() + body.len() + after.len());
        }
        request.extend_from_slice(b"\r\n");
        [before, body, after].into_iter().for_each(|part| request.extend_from_slice(part));
    }
}

/// The headers of every request, each line with its end.
fn headers(target: &Target) -> String {
    let lines = target.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    lines.fold(format!("Host: {}\r\n", target.authority), |all, line| all + &line)
}
