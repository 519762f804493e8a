//! Numbers in as few bytes as they need: seven bits a byte, the lowest first; the top bit says that
//! more follow.

/// Appends a number.
pub fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number off the front; `None` if there is none.
pub fn read(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let next = byte(input)?;
        value |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Appends a number that is near to zero on either side.
pub fn write_signed(out: &mut Vec<u8>, value: i64) {
    write(out, (value << 1 ^ value >> 63).cast_unsigned());
}

/// Takes a number that [`write_signed`] wrote off the front.
pub fn read_signed(input: &mut &[u8]) -> Option<i64> {
    let value = read(input)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// Takes a byte off the front.
pub fn byte(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

/// Takes some bytes off the front.
pub fn bytes<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}
