//! Operations over a websocket: JSON in text frames, or MessagePack in binary ones.

mod answer;
mod frame;
mod line;

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;

use super::Options;
use super::fault::{Broken, Fault};
use super::session::{Operation, Reply};
use super::target::{Form, Target};

pub use answer::packed_ids;
use frame::Frame;
pub use line::Line;

/// How long claimed messages are held: longer than any piece of work takes.
const CLAIM_SECONDS: u64 = 300;
const GRACE_SECONDS: u64 = 60;

/// One of those who have a request in flight on a connection.
#[derive(Debug)]
pub struct Ws {
    line: Arc<Line>,
    form: Form,
    /// The headers of every request, as its form has them.
    headers: Bytes,
    /// What comes before a queue's number in its name.
    prefix: String,
    name: String,
    limit: u64,
    answer: Bytes,
}

impl Ws {
    /// A share of this connection.
    pub fn new(options: &Options, target: &Target, line: &Arc<Line>) -> Ws {
        Ws {
            line: line.clone(),
            form: options.format,
            headers: frame::headers(options.format, &target.headers).into(),
            prefix: format!("{}-", options.prefix),
            name: String::new(),
            limit: options.limit.into(),
            answer: Bytes::new(),
        }
    }

    /// Does an operation on the queue with this number.
    pub async fn perform(&mut self, operation: Operation<'_>, queue: usize) -> Result<Reply<'_>, Fault> {
        let request = self.request(operation, queue);
        self.answer = self.line.exchange(request).await?;
        let status = answer::status(self.form, &self.answer).ok_or(Broken::NoAnswer)?;
        Ok(Reply { status, body: &self.answer, form: self.form })
    }

    fn request(&mut self, operation: Operation<'_>, queue: usize) -> Vec<u8> {
        self.name.clear();
        // Writing to a String does not fail.
        let _ = write!(self.name, "{}{queue}", self.prefix);
        let frame = |action, n_fields| Frame::new(self.form, action, &self.headers, &self.name, n_fields);
        match operation {
            Operation::CreateQueue => frame("queue_create", 0),
            Operation::DeleteQueue => frame("queue_delete", 0),
            Operation::Post(messages) => frame("message_post", 1).raw("messages", messages),
            Operation::Claim { wait } => {
                let frame = frame("claim_create", if wait > 0 { 4 } else { 3 });
                let frame = frame.number("limit", self.limit).number("ttl", CLAIM_SECONDS);
                let frame = frame.number("grace", GRACE_SECONDS);
                if wait > 0 { frame.number("wait", wait) } else { frame }
            }
            Operation::Delete(ids) => frame("message_delete_many", 1).list("message_ids", ids),
            Operation::List { own } => frame("message_list", 2).number("limit", self.limit).flag("echo", own),
        }
        .finish()
    }
}
