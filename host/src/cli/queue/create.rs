//! `sukkal queue create`

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::server::{Server, Trouble};
use crate::output::print;

#[derive(Args)]
pub struct Options {
    /// The queue's name: letters, digits, `_`, `-` and `.`, 64 at most.
    queue: String,
    /// Metadata: KEY=VALUE, as often as needed. The value is JSON; what is none is a text.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, Value)>,
}

fn pair(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

/// Makes the queue, unless it is there; then its metadata stay as they are.
pub async fn run(server: &Server, options: &Options, json: bool) -> Result<(), Trouble> {
    let metadata = Map::from_iter(options.metadata.iter().cloned());
    let body = Value::Object(metadata).to_string();
    let answer = server.ask(Method::PUT, &["queues", &options.queue], &[], Some(body)).await?;
    if json {
        return Ok(print(json!({ "name": options.queue, "created": answer.status == 201 }))?);
    }
    let told = match answer.status {
        201 => "created",
        _ if options.metadata.is_empty() => "is there already",
        _ => "is there already; its metadata stay as they are",
    };
    Ok(print(format_args!("{} {told}", options.queue))?)
}
