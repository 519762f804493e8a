//! A message filter to start from: it changes bodies on their way in and changes them back on
//! their way out, so that the store never holds what the client wrote.
//!
//! Here the change is a rotation of the letters in the body's text, which hides nothing from
//! anybody: put a cipher in its place.
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use sukkal_plugin_sdk::{
    Bytes, Call, Deserialize, Error, Filter, Interest, JsonSchema, Message, Moment, NewMessage,
    Open, Reader, Request, Result, Verdict, serde_json,
};

sukkal_plugin_sdk::export_plugin! {
    settings: Settings,
    filters: { "seal" => SealFilter::open },
    check: check,
}

/// Settings of the filter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// By how many letters of the alphabet text is rotated: 1 to 25.
    pub rotation: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { rotation: 13 }
    }
}

/// What can be told to be wrong before anything is opened, as by `sukkal config check`.
fn check(_name: &str, settings: Settings) -> Result<()> {
    match settings.rotation {
        1..=25 => Ok(()),
        other => Err(Error::invalid(format!(
            "rotation must be 1 to 25, not {other}"
        ))),
    }
}

/// The tag under which a message remembers by how much its body was rotated. Tags of plugins start
/// at 1,024.
const ROTATED_BY: u32 = 1024;

/// Rotates bodies on ingress, and back on egress.
pub struct SealFilter {
    rotation: u8,
}

impl SealFilter {
    /// Called once, when the host starts.
    ///
    /// # Errors
    /// A rotation out of range.
    pub async fn open(open: Open<Settings>) -> Result<Self> {
        let rotation = open.settings.rotation;
        check(&open.uri, open.settings)?;
        Ok(SealFilter { rotation })
    }
}

impl Filter for SealFilter {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::none().all(Moment::Ingress).all(Moment::Egress)
    }

    async fn ingress(
        &self,
        _call: &Call,
        _state: &mut (),
        _request: &Request,
        messages: &mut Vec<NewMessage>,
    ) -> Result<Verdict> {
        for message in messages {
            // A body stays one JSON value: here a string that holds the text of the client's.
            message.body = sealed(&message.body, self.rotation)?;
            message.extensions.set(ROTATED_BY, vec![self.rotation]);
        }
        Ok(Verdict::Continue)
    }

    async fn egress(
        &self,
        _call: &Call,
        _state: &mut (),
        _reader: &Reader<'_>,
        messages: &mut Vec<Message>,
    ) -> Result<Verdict> {
        for message in messages {
            // What was stored before the filter was set up has no such tag, and stays as it is.
            if let Some([rotation]) = message.extensions.get(ROTATED_BY).map(|tag| &**tag) {
                message.body = unsealed(&message.body, *rotation)?;
            }
        }
        Ok(Verdict::Continue)
    }
}

fn sealed(body: &[u8], rotation: u8) -> Result<Bytes> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Error::invalid("the body is not UTF-8").detail(error))?;
    let rotated: String = text
        .chars()
        .map(|letter| rotate(letter, rotation))
        .collect();
    let sealed = serde_json::to_vec(&rotated)
        .map_err(|error| Error::internal("cannot seal a body").detail(error))?;
    Ok(sealed.into())
}

fn unsealed(body: &[u8], rotation: u8) -> Result<Bytes> {
    let text: String = serde_json::from_slice(body)
        .map_err(|error| Error::internal("a sealed body is broken").detail(error))?;
    Ok(text
        .chars()
        .map(|letter| rotate(letter, 26 - rotation))
        .collect::<String>()
        .into())
}

fn rotate(letter: char, by: u8) -> char {
    let turn = |first: u8| char::from((letter as u8 - first + by) % 26 + first);
    match letter {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        other => other,
    }
}
