//! One pass over a JSON text.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Error;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON, or a number or an escape of it stands for nothing.
    Syntax,
    /// An integer of it is outside −2^63…2^63−1.
    WideInteger,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::body(match fault {
            Fault::Syntax => "Request body could not be parsed.",
            Fault::WideInteger => "JSON contains integer that is too large.",
        })
    }
}

/// What a text consists of. Slices are of the text as it stands, strings and keys with their quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `{`
    ObjectStart,
    /// `[`
    ArrayStart,
    /// Of an object or an array.
    End,
    /// Of a member; its value comes next.
    Key(&'a str),
    /// A text.
    String(&'a str),
    /// Within 64 signed bits.
    Int(&'a str),
    /// Any other number.
    Float(&'a str),
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

/// The deepest nesting of a text. The API promises 128 (spec: REST §1); readers in the field give up at some
/// thousand levels, and one message that they cannot read would keep them from all others on its page.
pub const MAX_DEPTH: usize = 512;

/// Gives the tokens of a text one by one. What is open lies on the heap, one byte a level, so that
/// no depth can exhaust the stack.
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    start: usize,
    open: Vec<Container>,
    expect: Expect,
    any_float: bool,
    max_depth: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// Just after `[`.
    ValueOrEnd,
    /// Just after `{`.
    KeyOrEnd,
    /// After a value.
    CommaOrEnd,
}

impl<'a> Scanner<'a> {
    /// Begins at the start of a text.
    pub fn new(text: &'a str) -> Self {
        Scanner {
            text,
            at: 0,
            start: 0,
            open: Vec::new(),
            expect: Expect::Value,
            any_float: false,
            max_depth: MAX_DEPTH,
        }
    }

    /// Lets floats beyond a double's range through from here on, or no more.
    pub fn allow_any_float(&mut self, allow: bool) {
        self.any_float = allow;
    }

    /// Lets any nesting through: of the service's own answers, which have a few levels round what they hand on.
    pub fn allow_any_depth(&mut self) {
        self.max_depth = usize::MAX;
    }

    /// Where in the text the last token ended.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Where in the text the last token began.
    pub fn token_start(&self) -> usize {
        self.start
    }

    /// How many objects and arrays are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// The next token.
    ///
    /// # Errors
    /// What follows is no JSON, or no number of ours. The same goes for the methods below.
    #[allow(clippy::should_implement_trait)] // It can fail, and ends with `finish`.
    pub fn next(&mut self) -> Result<Token<'a>, Fault> {
        let byte = self.peek_past_space()?;
        match (self.expect, byte) {
            (Expect::KeyOrEnd, b'}') | (Expect::ValueOrEnd, b']') => Ok(self.close()),
            (Expect::KeyOrEnd, _) => self.key(),
            (Expect::Value | Expect::ValueOrEnd, _) => self.value(byte),
            (Expect::CommaOrEnd, _) => match (self.open.last(), byte) {
                (Some(Container::Object), b'}') | (Some(Container::Array), b']') => Ok(self.close()),
                (Some(Container::Object), b',') => {
                    self.at += 1;
                    self.key()
                }
                (Some(Container::Array), b',') => {
                    self.at += 1;
                    let byte = self.peek_past_space()?;
                    self.value(byte)
                }
                _ => Err(Fault::Syntax),
            },
        }
    }

    /// Passes over the value that follows a key: says where in the text it stands.
    pub fn skip_value(&mut self) -> Result<Range<usize>, Fault> {
        let depth = self.depth();
        self.next()?;
        let start = self.start;
        self.leave_to(depth)?;
        Ok(start..self.at)
    }

    /// Passes over the rest of what is open beyond a depth.
    pub fn leave_to(&mut self, depth: usize) -> Result<(), Fault> {
        while self.open.len() > depth {
            self.next()?;
        }
        Ok(())
    }

    /// Checks that nothing but space follows.
    pub fn finish(mut self) -> Result<(), Fault> {
        match self.peek_past_space() {
            Err(_) if self.open.is_empty() && self.expect == Expect::CommaOrEnd => Ok(()),
            _ => Err(Fault::Syntax),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn peek_past_space(&mut self) -> Result<u8, Fault> {
        while let Some(byte) = self.peek() {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(Fault::Syntax)
    }

    fn open(&mut self, container: Container, expect: Expect, token: Token<'a>) -> Result<Token<'a>, Fault> {
        if self.open.len() == self.max_depth {
            return Err(Fault::Syntax);
        }
        self.at += 1;
        self.open.push(container);
        self.expect = expect;
        Ok(token)
    }

    fn close(&mut self) -> Token<'a> {
        self.start = self.at;
        self.at += 1;
        self.open.pop();
        self.expect = Expect::CommaOrEnd;
        Token::End
    }

    fn key(&mut self) -> Result<Token<'a>, Fault> {
        if self.peek_past_space()? != b'"' {
            return Err(Fault::Syntax);
        }
        self.start = self.at;
        let key = self.string()?;
        if self.peek_past_space()? != b':' {
            return Err(Fault::Syntax);
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Token::Key(key))
    }

    fn value(&mut self, first: u8) -> Result<Token<'a>, Fault> {
        self.start = self.at;
        self.expect = Expect::CommaOrEnd;
        match first {
            b'{' => self.open(Container::Object, Expect::KeyOrEnd, Token::ObjectStart),
            b'[' => self.open(Container::Array, Expect::ValueOrEnd, Token::ArrayStart),
            b'"' => self.string().map(Token::String),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Token::True),
            b'f' => self.word("false", Token::False),
            b'n' => self.word("null", Token::Null),
            _ => Err(Fault::Syntax),
        }
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, Fault> {
        if !self.bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Fault::Syntax);
        }
        self.at += word.len();
        Ok(token)
    }

    fn number(&mut self) -> Result<Token<'a>, Fault> {
        let start = self.at;
        self.eat(|byte| byte == b'-');
        if !self.eat(|byte| byte == b'0') {
            self.digits()?;
        }
        let mut int = true;
        if self.eat(|byte| byte == b'.') {
            int = false;
            self.digits()?;
        }
        if self.eat(|byte| matches!(byte, b'e' | b'E')) {
            int = false;
            self.eat(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        // 18 characters always fit.
        if int && text.len() > 18 && text.parse::<i64>().is_err() {
            return Err(Fault::WideInteger);
        }
        if !int && !self.any_float && !text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(Fault::Syntax);
        }
        Ok(if int { Token::Int(text) } else { Token::Float(text) })
    }

    fn eat(&mut self, wanted: impl FnOnce(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(Fault::Syntax) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        self.at += 1;
        loop {
            self.at += plain_length(&self.bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(Fault::Syntax),
            }
        }
        self.at += 1;
        Ok(&self.text[start..self.at])
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        if self.eat(|byte| matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) {
            return Ok(());
        }
        match self.code_unit()? {
            0xd800..=0xdbff if self.eat(|byte| byte == b'\\') => match self.code_unit()? {
                0xdc00..=0xdfff => Ok(()),
                _ => Err(Fault::Syntax),
            },
            // One half of a pair stands for no character.
            0xd800..=0xdfff => Err(Fault::Syntax),
            _ => Ok(()),
        }
    }

    /// The `uXXXX` of an escape.
    fn code_unit(&mut self) -> Result<u32, Fault> {
        if !self.eat(|byte| byte == b'u') {
            return Err(Fault::Syntax);
        }
        let digits = self.bytes().get(self.at..self.at + 4).ok_or(Fault::Syntax)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(Fault::Syntax)?;
            Ok(unit << 4 | digit)
        })
    }
}

/// How many bytes from here on stand for themselves within a string: up to a quote, a backslash or a
/// control character. Strings are most of what the service reads, so it goes by eight bytes.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + (special.trailing_zeros() / 8) as usize;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Whether a text stands for itself within a string, without an escape.
pub fn is_plain(text: &str) -> bool {
    plain_length(text.as_bytes()) == text.len()
}

/// Sets the highest bit of each byte of a word that ends a run of plain ones. Subtracting borrows
/// from the bytes above, so beyond the first such byte the bits mean nothing.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGHS;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\')
}

/// The characters for which a string or key of a scanned text stands.
pub fn unescape(quoted: &str) -> Result<Cow<'_, str>, Fault> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).ok_or(Fault::Syntax)?;
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(quoted).map(Cow::Owned).map_err(|_| Fault::Syntax)
}

#[cfg(test)]
mod tests;
