//! The way out: a request is told to the host's egress connector, which knows the rules and the addresses.
//!
//! It goes to `http://127.0.0.1:PORT`, and its target is
//! `/TOKEN/CONNECT/FIRST-BYTE/SCHEME/AUTHORITY` before the guest's own path: time-outs in milliseconds (0 for none),
//! the authority empty for a request without one, no path at all for the asterisk form. So nothing of it is a
//! header, which a guest could set too. The connector answers for itself with a response whose header
//! `wasmdeploy-egress-error` holds the token, which no remote server learns, and the words of an error code.

use crate::codes;
use crate::fields::Entries;
use crate::frame::Egress;
use crate::guest::{ErrorCode, Scheme};
use crate::native;

const ERROR: &str = "wasmdeploy-egress-error";
/// How long a connection may take to be made, its TLS included, when the guest sets no time-out.
const CONNECT: u64 = 30_000_000_000;

/// Time-outs as the guest set them, in nanoseconds.
#[derive(Clone, Copy, Default)]
pub struct Timeouts {
    pub connect: Option<u64>,
    pub first_byte: Option<u64>,
    pub between_bytes: Option<u64>,
}

impl Timeouts {
    /// The options of the request to the connector, which itself sees to the time before the first byte.
    ///
    /// The host's own time-out for that is for a head that begins and never ends.
    pub fn to_native(self) -> native::RequestOptions {
        let options = native::RequestOptions::new();
        let whole_head = self.first_byte.map(|first| first.saturating_add(self.connect.unwrap_or(CONNECT)));
        let _ = options.set_first_byte_timeout(whole_head);
        let _ = options.set_between_bytes_timeout(self.between_bytes);
        options
    }
}

impl Egress {
    /// Turns a request to elsewhere into one to the connector.
    pub fn direct(&self, request: &native::OutgoingRequest, timeouts: Timeouts) -> Result<(), ErrorCode> {
        let scheme = match request.scheme() {
            Some(Scheme::Http) => "http",
            Some(Scheme::Https) | None => "https",
            Some(Scheme::Other(_)) => return Err(ErrorCode::HttpRequestDenied),
        };
        let authority = request.authority().unwrap_or_default();
        let path = request.path_with_query().unwrap_or_default();
        let target =
            self.target(scheme, &authority, &path, timeouts).ok_or(ErrorCode::HttpRequestUriInvalid)?;
        let here = format!("127.0.0.1:{}", self.port);
        request
            .set_scheme(Some(&Scheme::Http))
            .and_then(|()| request.set_authority(Some(&here)))
            .and_then(|()| request.set_path_with_query(Some(&target)))
            .map_err(|()| ErrorCode::HttpRequestUriInvalid)
    }

    fn target(&self, scheme: &str, authority: &str, path: &str, timeouts: Timeouts) -> Option<String> {
        if authority.contains('/') {
            return None;
        }
        let path = match path.as_bytes().first() {
            None => "/".to_owned(),
            Some(b'?') => format!("/{path}"),
            Some(b'/') => path.to_owned(),
            Some(_) if path == "*" => String::new(),
            Some(_) => return None,
        };
        let connect = milliseconds(timeouts.connect.unwrap_or(CONNECT));
        let first_byte = timeouts.first_byte.map_or(0, milliseconds);
        Some(format!("/{}/{connect}/{first_byte}/{scheme}/{authority}{path}", self.token))
    }

    /// The error that the connector answered with; `None` for a response from elsewhere.
    pub fn error(&self, headers: &Entries) -> Option<ErrorCode> {
        let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(ERROR))?;
        let words = value.strip_prefix(self.token.as_bytes())?.strip_prefix(b" ")?;
        Some(codes::parse(&String::from_utf8_lossy(words)))
    }
}

/// At least one: zero is for none.
fn milliseconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(1_000_000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress() -> Egress {
        Egress { port: 1, token: "t".repeat(32) }
    }

    fn target(authority: &str, path: &str, timeouts: Timeouts) -> Option<String> {
        egress().target("https", authority, path, timeouts)
    }

    #[test]
    fn a_target_holds_the_whole_request() {
        let prefix = format!("/{}/30000/0/https", "t".repeat(32));
        for (authority, path, expected) in [
            ("a.test:8443", "/x/y?z", "/a.test:8443/x/y?z"),
            ("a.test", "", "/a.test/"),
            ("a.test", "?z", "/a.test/?z"),
            ("a.test", "*", "/a.test"),
            ("", "/x", "//x"),
            ("[::1]:1", "/", "/[::1]:1/"),
        ] {
            let found = target(authority, path, Timeouts::default()).expect("a target");
            assert_eq!(found, format!("{prefix}{expected}"));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_target() {
        assert!(target("a/b", "/", Timeouts::default()).is_none());
        assert!(target("a", "x", Timeouts::default()).is_none());
    }

    #[test]
    fn time_outs_are_rounded_up() {
        let timeouts = Timeouts { connect: Some(0), first_byte: Some(1_000_001), between_bytes: None };
        assert!(target("a", "/", timeouts).expect("a target").ends_with("/1/2/https/a/"));
    }

    #[test]
    fn only_who_knows_the_token_answers_for_the_connector() {
        let headers = |value: String| vec![("Wasmdeploy-Egress-Error".to_owned(), value.into_bytes())];
        let token = "t".repeat(32);
        let error = egress().error(&headers(format!("{token} connection-refused")));
        assert!(matches!(error, Some(ErrorCode::ConnectionRefused)));
        for value in [String::new(), "connection-refused".into(), format!("{token}connection-refused"), token]
        {
            assert!(egress().error(&headers(value)).is_none());
        }
        assert!(egress().error(&vec![]).is_none());
    }
}
