//! The messages that are posted: made once, sent over and over.

use rmp::encode::{write_array_len, write_map_len, write_str, write_uint};

use super::Options;
use super::target::Form;

/// A list of so many messages of the options' kind.
pub fn messages(options: &Options, form: Form, n_messages: u64) -> Vec<u8> {
    let n_messages = usize::try_from(n_messages).unwrap_or(usize::MAX);
    // As JSON a body has its quotes around it.
    let body = "x".repeat(usize::try_from(options.size).unwrap_or(usize::MAX) - 2);
    let times = [("ttl", options.ttl), ("delay", options.delay)];
    let times: Vec<_> = times.into_iter().filter_map(|(name, time)| Some((name, time?))).collect();
    match form {
        Form::Json => {
            let times: String = times.iter().map(|(name, time)| format!("\"{name}\":{time},")).collect();
            let message = format!("{{{times}\"body\":\"{body}\"}}");
            format!("[{}]", vec![message; n_messages].join(",")).into_bytes()
        }
        Form::Msgpack => packed(&times, &body, n_messages),
    }
}

fn packed(times: &[(&str, u64)], body: &str, n_messages: usize) -> Vec<u8> {
    let mut message = Vec::new();
    // Writing to a Vec does not fail.
    let _ = write_map_len(&mut message, times.len() as u32 + 1);
    for (name, time) in times {
        let _ = write_str(&mut message, name);
        let _ = write_uint(&mut message, *time);
    }
    let _ = write_str(&mut message, "body");
    let _ = write_str(&mut message, body);
    let mut all = Vec::new();
    let _ = write_array_len(&mut all, u32::try_from(n_messages).unwrap_or(u32::MAX));
    all.extend_from_slice(&message.repeat(n_messages));
    all
}
