//! Inputs of several requests, of which later ones may name what earlier ones have made.

use std::time::Duration;

use crate::host::Host;
use crate::service;

/// Stands between the requests of an input.
const NEXT: &[u8] = b"\n---\n";
/// So many of an input's requests are sent.
const MOST: usize = 16;
/// What is an id's, at the least.
const ID: usize = 8;

/// Stands for the project of an input's run, and is as long.
pub const PROJECT: &str = "{project}";

/// What stands for an id that only the host knows, and after which words an answer tells it.
const IDS: [(&str, &[&str]); 3] = [
    ("{message}", &["message_ids", "/messages/"]),
    ("{claim}", &["claim_id", "/claims/"]),
    ("{subscription}", &["subscription_id"]),
];

/// What lies between such a word and the id, at the most: `":["` with a blank.
const BETWEEN: usize = 5;

/// The requests of an input, as they stand there.
pub fn of(input: &[u8]) -> Vec<&[u8]> {
    let mut steps = Vec::new();
    let mut rest = input;
    while let Some(at) = find(rest, NEXT).filter(|_| steps.len() + 1 < MOST) {
        steps.push(&rest[..at]);
        rest = &rest[at + NEXT.len()..];
    }
    steps.push(rest);
    steps
}

/// How long a step that is no request lets pass: `+` and seconds.
pub fn pause(step: &[u8]) -> Option<Duration> {
    let seconds: u16 = std::str::from_utf8(step).ok()?.strip_prefix('+')?.trim_end().parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// Sends them one after the other, for a project. Each `send` gives back the answer.
pub fn run(host: &mut Host, project: &str, input: &[u8], mut send: impl FnMut(&mut Host, &[u8]) -> Vec<u8>) {
    let mut ids: [Option<Vec<u8>>; IDS.len()] = Default::default();
    for step in of(input) {
        if let Some(pause) = pause(step) {
            service::advance(pause);
            continue;
        }
        let mut request = replaced(step, PROJECT, project.as_bytes());
        for ((placeholder, _), id) in IDS.iter().zip(&ids) {
            if let Some(id) = id {
                request = replaced(&request, placeholder, id);
            }
        }
        let answer = send(host, &request);
        for ((_, words), id) in IDS.iter().zip(&mut ids) {
            let found = words.iter().find_map(|word| id_after(&answer, word.as_bytes()));
            *id = found.map(<[u8]>::to_vec).or(id.take());
        }
    }
}

/// The id behind a word where it stands last, as JSON, MessagePack or a link has it: what comes before
/// is the request's own.
fn id_after<'a>(answer: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let at = answer.windows(word.len()).rposition(|window| window == word)?;
    let rest = &answer[at + word.len()..];
    let begin = rest.iter().take(BETWEEN + 1).position(is_letter)?;
    let id = rest[begin..].split(|byte| !is_letter(byte)).next()?;
    Some(id).filter(|id| id.len() >= ID)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn replaced(step: &[u8], placeholder: &str, by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(step.len());
    let mut rest = step;
    while let Some(at) = find(rest, placeholder.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + placeholder.len()..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_from_answers_of_either_transport() {
        for (answer, word, id) in [
            (&br#"{"body":{"message_ids":["dbv06nvq1a8ah0-1","x"]}}"#[..], "message_ids", Some("dbv06nvq1a8ah0-1")),
            (b"\xabmessage_ids\x91\xbadbv06nvq1a8ah0000000000001", "message_ids", Some("dbv06nvq1a8ah0000000000001")),
            (b"location: /v2/queues/q/claims/c2345678\r\n\r\n", "/claims/", Some("c2345678")),
            (br#"{"request":{"body":{"claim_id":"other678"}},"body":{"claim_id": null}}"#, "claim_id", None),
            (b"none", "claim_id", None),
        ] {
            assert_eq!(id_after(answer, word.as_bytes()), id.map(str::as_bytes), "{word}");
        }
    }

    #[test]
    fn an_input_is_one_request_or_several() {
        assert_eq!(of(b"a"), [b"a"]);
        assert_eq!(of(b"a\n---\n\n---\n+5"), [&b"a"[..], b"", b"+5"]);
        assert_eq!(of(&b"a\n---\n".repeat(20)).len(), MOST);
        assert_eq!([pause(b"+5\n"), pause(b"+"), pause(b"5")], [Some(Duration::from_secs(5)), None, None]);
        assert_eq!(replaced(b"a{project}{project}b", PROJECT, b"p"), b"appb");
    }
}
