//! Headers and query parameters.

use abi_stable::StableAbi;
use abi_stable::std_types::{RString, RVec};

/// Name and value pairs in one piece of memory: cheap to make, to clone and to lend.
#[repr(C)]
#[derive(StableAbi, Clone, Default)]
pub struct Pairs {
    text: RString,
    /// Where each name and each value ends in `text`, in turn.
    ends: RVec<u32>,
}

impl Pairs {
    /// Makes room for so many pairs of so many bytes in all.
    fn reserve(&mut self, pairs: usize, bytes: usize) {
        self.text.reserve(bytes);
        self.ends.reserve(2 * pairs);
    }

    fn add(&mut self, name: &str, value: &str) {
        for part in [name, value] {
            self.text.push_str(part);
            self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.chunks_exact(2).map(move |ends| {
            let (middle, end) = (ends[0] as usize, ends[1] as usize);
            let pair = (self.text.get(start..middle).unwrap_or(""), self.text.get(middle..end).unwrap_or(""));
            start = end;
            pair
        })
    }

    fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let mut kept = Pairs::default();
        self.iter().filter(|(name, _)| keep(name)).for_each(|(name, value)| kept.add(name, value));
        *self = kept;
    }
}

/// Headers in the order in which they came. Names are lower case; look-ups ignore case.
#[repr(transparent)]
#[derive(StableAbi, Clone, Default)]
pub struct Headers(Pairs);

impl Headers {
    /// None.
    pub fn new() -> Self {
        Headers::default()
    }

    /// Makes room for so many headers of so many bytes in all, names and values.
    pub fn reserve(&mut self, headers: usize, bytes: usize) {
        self.0.reserve(headers, bytes);
    }

    /// Adds one, beside others of its name.
    pub fn add(&mut self, name: &str, value: &str) {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.0.add(&name.to_ascii_lowercase(), value);
        } else {
            self.0.add(name, value);
        }
    }

    /// Sets one, in place of others of its name.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.add(name, value);
    }

    /// Removes all of a name.
    pub fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.0.retain(|other| !other.eq_ignore_ascii_case(name));
        }
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// All values of a name.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter()
    }
}

/// Query parameters in the order in which they came, percent-decoded.
#[repr(transparent)]
#[derive(StableAbi, Clone, Default)]
pub struct Params(Pairs);

impl Params {
    /// None.
    pub fn new() -> Self {
        Params::default()
    }

    /// Makes room for so many parameters of so many bytes in all, names and values.
    pub fn reserve(&mut self, params: usize, bytes: usize) {
        self.0.reserve(params, bytes);
    }

    /// Adds one, beside others of its name.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.add(name, value);
    }

    /// The last value of a name, an empty one too.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).last()
    }

    /// All values of a name.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter()
    }
}
