//! Reading a request's body: bounded in size and in time.

use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};

/// How much of a refused body is still read, so that its sender hears the refusal and the
/// connection can be kept.
const DRAIN_BYTES: u64 = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Why a body could not be read.
#[derive(Debug, PartialEq)]
pub enum Unread {
    /// It took too long.
    Slow,
    /// The client went away, or broke the framing.
    Broken,
}

/// A body as it came.
#[derive(Debug, PartialEq)]
pub enum Body {
    /// None was sent.
    None,
    /// It may be empty.
    Whole(Bytes),
    /// Longer than it may be: nothing of it is kept.
    TooLong,
}

/// Reads a body, of which the client says that it has so many bytes; 0 where it does not say. What is left of
/// one that is longer than `max` is read and dropped, up to a bound, while the answer is on its way.
///
/// # Errors
/// See [`Unread`].
pub async fn read<S, B, E>(stream: S, announced: u64, max: u64, time: Duration) -> Result<Body, Unread>
where
    S: Stream<Item = Result<B, E>> + Send + 'static,
    B: Buf,
    E: Send,
{
    let mut stream = Box::pin(stream);
    let most = usize::try_from(max.saturating_add(1)).unwrap_or(usize::MAX);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX).min(most);
    let read = collect(&mut stream, announced, most);
    let (body, whole) = tokio::time::timeout(time, read).await.map_err(|_| Unread::Slow)??;
    if whole {
        return Ok(Body::Whole(body));
    }
    tokio::spawn(async move { tokio::time::timeout(DRAIN_TIME, drain(&mut stream)).await });
    Ok(Body::TooLong)
}

/// Up to so many bytes, and whether that was all.
async fn collect<S, B, E>(stream: &mut S, announced: usize, most: usize) -> Result<(Bytes, bool), Unread>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: Buf,
{
    let mut first = Bytes::new();
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        let mut chunk = chunk.map_err(|_| Unread::Broken)?;
        let length = chunk.remaining().min(most - first.len() - all.len());
        match (first.is_empty(), all.is_empty()) {
            // Most bodies are one piece: it is taken as it is.
            (true, true) => first = chunk.copy_to_bytes(length),
            _ => {
                if all.is_empty() {
                    // The system gives the memory page by page, as it is filled.
                    all.reserve_exact(announced);
                }
                append(&mut all, &std::mem::take(&mut first), most);
                append(&mut all, &chunk.copy_to_bytes(length), most);
            }
        }
        if first.len() + all.len() >= most {
            return Ok((joined(first, all), false));
        }
    }
    Ok((joined(first, all), true))
}

/// Makes room by doubling, but for no more than may be read at all: many bodies of the largest size
/// arrive together.
fn append(all: &mut Vec<u8>, piece: &[u8], most: usize) {
    let needed = all.len() + piece.len();
    if needed > all.capacity() {
        let doubled = all.capacity().saturating_mul(2).min(most);
        all.reserve_exact(doubled.max(needed) - all.len());
    }
    all.extend_from_slice(piece);
}

fn joined(first: Bytes, all: Vec<u8>) -> Bytes {
    if all.is_empty() { first } else { Bytes::from(all) }
}

async fn drain<S, B, E>(stream: &mut S)
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: Buf,
{
    let mut left = DRAIN_BYTES;
    while let Some(Ok(chunk)) = stream.next().await {
        match left.checked_sub(chunk.remaining() as u64) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, ()>> + Send + use<> {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
        futures_util::stream::iter(parts)
    }

    #[tokio::test]
    async fn bodies_are_joined_and_none_beyond_the_limit_is_kept() {
        let time = Duration::from_secs(5);
        let whole = |text: &'static str| Ok(Body::Whole(Bytes::from_static(text.as_bytes())));
        assert_eq!(read(chunks(&[]), 0, 4, time).await, whole(""));
        assert_eq!(read(chunks(&["ab", "", "cd"]), 0, 4, time).await, whole("abcd"));
        assert_eq!(read(chunks(&["abcdefgh"]), 0, 4, time).await, Ok(Body::TooLong));
        // What the client announces is its word alone.
        for announced in [0, 1, 9, u64::MAX] {
            assert_eq!(read(chunks(&["abc", "d"]), announced, 4, time).await, whole("abcd"));
            assert_eq!(read(chunks(&["abc", "def", "ghi"]), announced, 4, time).await, Ok(Body::TooLong));
        }
    }

    #[test]
    fn a_body_takes_no_more_room_than_may_be_read() {
        let mut all = Vec::new();
        for _ in 0..10 {
            append(&mut all, &[b'x'; 100], 1001);
            assert!(all.capacity() <= 1001, "{}", all.capacity());
        }
        append(&mut all, b"y", 1001);
        assert_eq!((all.len(), all.capacity()), (1001, 1001));
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let never = futures_util::stream::pending::<Result<Bytes, ()>>();
        assert_eq!(read(never, 9, 4, Duration::from_millis(5)).await, Err(Unread::Slow));
    }
}
