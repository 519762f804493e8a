//! Reading a request's body: bounded in size and in time.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
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

/// Reads a body. A longer one than `max` comes cut to `max` + 1 bytes, which is what tells core
/// that it is too long; what is left of it is read and dropped, up to a bound, while the answer is
/// on its way.
///
/// # Errors
/// See [`Unread`].
pub async fn read<S, B, E>(stream: S, max: u64, time: Duration) -> Result<Bytes, Unread>
where
    S: Stream<Item = Result<B, E>> + Send + 'static,
    B: Buf,
    E: Send,
{
    let mut stream = Box::pin(stream);
    let read = collect(&mut stream, max.saturating_add(1));
    let (body, whole) = tokio::time::timeout(time, read).await.map_err(|_| Unread::Slow)??;
    if !whole {
        tokio::spawn(async move { tokio::time::timeout(DRAIN_TIME, drain(&mut stream)).await });
    }
    Ok(body)
}

/// Up to so many bytes, and whether that was all.
async fn collect<S, B, E>(stream: &mut S, most: u64) -> Result<(Bytes, bool), Unread>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: Buf,
{
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let mut chunk = chunk.map_err(|_| Unread::Broken)?;
        let length = chunk.remaining().min(most - first.len() - all.len());
        match (first.is_empty(), all.is_empty()) {
            // Most bodies are one piece: it is taken as it is.
            (true, true) => first = chunk.copy_to_bytes(length),
            _ => {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&chunk.copy_to_bytes(length));
            }
        }
        if first.len() + all.len() >= most {
            return Ok((joined(first, all), false));
        }
    }
    Ok((joined(first, all), true))
}

fn joined(first: Bytes, all: BytesMut) -> Bytes {
    if all.is_empty() { first } else { all.freeze() }
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
    async fn bodies_are_joined_and_cut_one_beyond_the_limit() {
        let time = Duration::from_secs(5);
        assert_eq!(read(chunks(&[]), 4, time).await.unwrap(), "");
        assert_eq!(read(chunks(&["ab", "", "cd"]), 4, time).await.unwrap(), "abcd");
        assert_eq!(read(chunks(&["abcdefgh"]), 4, time).await.unwrap(), "abcde");
        assert_eq!(read(chunks(&["abc", "def", "ghi"]), 4, time).await.unwrap(), "abcde");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let never = futures_util::stream::pending::<Result<Bytes, ()>>();
        assert_eq!(read(never, 4, Duration::from_millis(5)).await, Err(Unread::Slow));
    }
}
