//! The token of a command that asks a server.

use std::env::VarError;
use std::path::PathBuf;

/// The variable that holds one. There is no option for it: other users of a machine can read its
/// command lines.
const TOKEN: &str = "SUKKAL_TOKEN";

/// Where it is.
#[derive(clap::Args, Clone, Debug)]
pub struct TokenOptions {
    /// The file that holds a token (X-Auth-Token); else it is taken from SUKKAL_TOKEN.
    #[arg(long, env = "SUKKAL_TOKEN_FILE", value_name = "FILE", global = true, help_heading = "Server")]
    token_file: Option<PathBuf>,
}

impl TokenOptions {
    /// Reads it, if there is one.
    ///
    /// # Errors
    /// It cannot be read; in a line.
    pub fn read(&self) -> Result<Option<String>, String> {
        let text = match &self.token_file {
            Some(file) => std::fs::read_to_string(file)
                .map(Some)
                .map_err(|error| format!("the token's file {} cannot be read: {error}", file.display()))?,
            None => match std::env::var(TOKEN) {
                Err(VarError::NotUnicode(_)) => return Err(format!("{TOKEN} is no UTF-8")),
                text => text.ok(),
            },
        };
        Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }
}
