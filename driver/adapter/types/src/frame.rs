//! The frames at the start of stdin and stdout: length-prefixed, little-endian, `str` = u32 length + bytes.
//!
//! Request head: u8 version (2); str method, scheme, authority, path with query (each "" for none);
//! u32 count, (str name, str value)s; u16 port of the host's egress connector (0: no request may leave), str token
//! that opens it. Bytes after that are ignored.
//! Response head: u16 status; u32 count, (str name, str value)s. Status 0 is an error, its text one str.

use crate::fields::Entries;

pub struct RequestHead {
    pub method: String,
    pub scheme: String,
    pub authority: String,
    pub path_with_query: String,
    pub headers: Entries,
    pub egress: Option<Egress>,
}

/// The way out: a connector on this machine, and the token that opens it for this request.
#[derive(Debug, PartialEq, Eq)]
pub struct Egress {
    pub port: u16,
    pub token: String,
}

impl RequestHead {
    /// Parses the bytes after the length; `None` when they are no head of version 2.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&version, bytes) = bytes.split_first()?;
        if version != 2 {
            return None;
        }
        let mut input = Input(bytes);
        Some(RequestHead {
            method: input.text()?,
            scheme: input.text()?,
            authority: input.text()?,
            path_with_query: path(input.bytes()?),
            headers: input.list(|input| Some((input.text()?, input.bytes()?.to_vec())))?,
            egress: input.egress()?,
        })
    }
}

/// Makes the head of a response, its length in front.
pub fn response_head(status: u16, headers: &Entries) -> Vec<u8> {
    let size = 6 + headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum::<usize>();
    let mut out = Vec::with_capacity(4 + size);
    put_len(&mut out, size);
    out.extend_from_slice(&status.to_le_bytes());
    put_len(&mut out, headers.len());
    for (name, value) in headers {
        put(&mut out, name.as_bytes());
        put(&mut out, value);
    }
    out
}

/// Makes the head that says why there is no response.
pub fn error_head(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + text.len());
    put_len(&mut out, 6 + text.len());
    out.extend_from_slice(&0u16.to_le_bytes());
    put(&mut out, text.as_bytes());
    out
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&(len as u32).to_le_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// WIT has the path as a string: bytes that are no UTF-8 are percent-encoded.
fn path(bytes: &[u8]) -> String {
    let mut path = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        path.push_str(chunk.valid());
        for byte in chunk.invalid() {
            path.push('%');
            for digit in [byte >> 4, byte & 15] {
                path.push(b"0123456789ABCDEF"[digit as usize] as char);
            }
        }
    }
    path
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn len(&mut self) -> Option<usize> {
        let (len, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*len) as usize)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    fn egress(&mut self) -> Option<Option<Egress>> {
        let (port, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        let (port, token) = (u16::from_le_bytes(*port), self.text()?);
        Some((port != 0).then_some(Egress { port, token }))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.len()?).map(|_| item(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &[u8]) -> Vec<u8> {
        let mut bytes = vec![2];
        for part in [&b"GET"[..], b"https", b"", path] {
            put(&mut bytes, part);
        }
        put_len(&mut bytes, 1);
        put(&mut bytes, b"X-Raw");
        put(&mut bytes, b"\xff\x00");
        bytes.extend_from_slice(&8080u16.to_le_bytes());
        put(&mut bytes, b"t0ken");
        bytes
    }

    #[test]
    fn a_head_is_parsed_whole() {
        let head = RequestHead::parse(&head(b"/a?b")).expect("a head");
        assert_eq!(
            (head.method.as_str(), head.scheme.as_str(), head.authority.as_str()),
            ("GET", "https", "")
        );
        assert_eq!(head.path_with_query, "/a?b");
        assert_eq!(head.headers, [("X-Raw".to_owned(), b"\xff\x00".to_vec())]);
        assert_eq!(head.egress, Some(Egress { port: 8080, token: "t0ken".to_owned() }));
    }

    #[test]
    fn bytes_after_the_head_are_ignored() {
        let mut bytes = head(b"/");
        bytes.extend_from_slice(b"more");
        assert!(RequestHead::parse(&bytes).is_some());
    }

    #[test]
    fn a_cut_head_is_refused_at_every_length() {
        let bytes = head(b"/");
        for len in 0..bytes.len() {
            assert!(RequestHead::parse(&bytes[..len]).is_none(), "{len}");
        }
    }

    #[test]
    fn another_version_is_refused() {
        let mut bytes = head(b"/");
        bytes[0] = 1;
        assert!(RequestHead::parse(&bytes).is_none());
    }

    #[test]
    fn without_a_port_there_is_no_way_out() {
        let mut bytes = head(b"/");
        let at = bytes.len() - 11;
        bytes[at..at + 2].fill(0);
        assert_eq!(RequestHead::parse(&bytes).expect("a head").egress, None);
    }

    #[test]
    fn a_path_that_is_no_utf8_is_percent_encoded() {
        let head = RequestHead::parse(&head(b"/\xc3\xa9/\xff")).expect("a head");
        assert_eq!(head.path_with_query, "/é/%FF");
    }

    #[test]
    fn a_response_head_counts_its_own_bytes() {
        let head = response_head(200, &vec![("a".to_owned(), b"bc".to_vec())]);
        assert_eq!(head, b"\x11\0\0\0\xc8\0\x01\0\0\0\x01\0\0\0a\x02\0\0\0bc");
        assert_eq!(error_head("no"), b"\x08\0\0\0\0\0\x02\0\0\0no");
    }
}
