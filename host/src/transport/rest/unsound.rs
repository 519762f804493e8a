//! Requests that HTTP itself forbids, beyond what hyper refuses: their sender and whoever stands between may
//! have understood something else.

use warp::http::Request;
use warp::http::header::TRANSFER_ENCODING;

use crate::transport::refusal;

/// A status, a title, and why.
pub type Refusal = (u16, &'static str, &'static str);

/// The largest head, in bytes.
pub const LARGEST_HEAD: usize = 64 * 1024;
/// Why a larger one is refused.
pub const TOO_LARGE: Refusal =
    (431, "Request header fields too large", "The head of a request may have up to 64 KiB and up to 100 headers.");

/// Why a request is refused, whatever it asks for.
pub fn refusal<B>(request: &Request<B>) -> Option<Refusal> {
    let headers = request.headers();
    if length_of_head(request) > LARGEST_HEAD {
        return Some(TOO_LARGE);
    }
    if !refusal::has_one_host(request.version(), headers) {
        return Some((400, "Invalid API request", refusal::ONE_HOST));
    }
    let mut codings =
        headers.get_all(TRANSFER_ENCODING).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    // RFC 9112 §6.1: hyper takes what comes before `chunked` for the body.
    match (codings.next(), codings.next()) {
        (None, _) => None,
        (Some(coding), None) if is_chunked(coding) => None,
        (Some(first), Some(second)) if is_chunked(first) && is_chunked(second) => {
            Some((400, "Invalid API request", "A body can be chunked once only."))
        }
        _ => Some((501, "Not implemented", "The only Transfer-Encoding that is understood is chunked.")),
    }
}

/// How long a head is without blanks that mean nothing. Hyper bounds what it has read when more is to come, so a head
/// that ends in what was read last may be longer.
fn length_of_head<B>(request: &Request<B>) -> usize {
    const LINE: usize = "  HTTP/1.1\r\n".len() + "\r\n".len();
    const HEADER: usize = ": \r\n".len();
    let target = request.uri().path_and_query().map_or(1, |target| target.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER);
    LINE + request.method().as_str().len() + target + headers.sum::<usize>()
}

fn is_chunked(coding: &[u8]) -> bool {
    coding.trim_ascii().eq_ignore_ascii_case(b"chunked")
}

#[cfg(test)]
mod tests {
    use warp::http::Version;

    use super::*;

    fn status(version: Version, headers: &[(&str, &str)]) -> Option<u16> {
        let request = Request::builder().version(version);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        refusal(&request.body(()).unwrap()).map(|refusal| refusal.0)
    }

    #[test]
    fn a_request_has_one_host() {
        assert_eq!(status(Version::HTTP_11, &[("host", "")]), None);
        assert_eq!(status(Version::HTTP_10, &[]), None);
        assert_eq!(status(Version::HTTP_11, &[]), Some(400));
        assert_eq!(status(Version::HTTP_11, &[("host", "a"), ("host", "a")]), Some(400));
    }

    #[test]
    fn a_body_is_chunked_or_as_it_is() {
        let coded = |codings: &[&str]| {
            let headers: Vec<_> = codings.iter().map(|coding| ("transfer-encoding", *coding)).collect();
            status(Version::HTTP_10, &headers)
        };
        assert_eq!(coded(&["Chunked"]), None);
        assert_eq!([coded(&["chunked, chunked"]), coded(&["chunked", "chunked"])], [Some(400), Some(400)]);
        for codings in [&["gzip, chunked"][..], &["gzip", "chunked"], &["identity"], &["xchunked"], &[""]] {
            assert_eq!(coded(codings), Some(501), "{codings:?}");
        }
    }
}
