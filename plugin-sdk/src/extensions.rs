//! Room for what is not thought of yet.

use bytes::Bytes;

/// Tagged values that a newer SDK may attach to a value of an older one.
///
/// Whoever does not know a tag keeps it and hands it on; a store persists those of messages and
/// claims. Tags up to 1,023 are the SDK's; a plugin may use its own above that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions(pub(crate) Vec<(u32, Bytes)>);

impl Extensions {
    /// None.
    pub const fn new() -> Self {
        Extensions(Vec::new())
    }

    /// The value of a tag.
    pub fn get(&self, tag: u32) -> Option<&Bytes> {
        self.0.iter().find(|entry| entry.0 == tag).map(|entry| &entry.1)
    }

    /// Sets the value of a tag.
    pub fn set(&mut self, tag: u32, value: impl Into<Bytes>) {
        self.0.retain(|entry| entry.0 != tag);
        self.0.push((tag, value.into()));
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Bytes)> {
        self.0.iter().map(|(tag, value)| (*tag, value))
    }

    /// The form in which a store keeps them: for each, tag and length (`u32`, little endian), then
    /// the bytes. Empty where there are none.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (tag, value) in &self.0 {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(value);
        }
        out
    }

    /// Reads what [`Extensions::to_bytes`] wrote; what is cut short is left out.
    pub fn from_bytes(mut bytes: &[u8]) -> Self {
        let mut all = Vec::new();
        while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
            let [t0, t1, t2, t3, l0, l1, l2, l3] = *head;
            let Some((value, rest)) = rest.split_at_checked(u32::from_le_bytes([l0, l1, l2, l3]) as usize) else {
                break;
            };
            all.push((u32::from_le_bytes([t0, t1, t2, t3]), Bytes::copy_from_slice(value)));
            bytes = rest;
        }
        Extensions(all)
    }
}
