//! Takes an absolute http or https URI apart; wasi:http itself checks the syntax of its parts.

use std::borrow::Cow;

#[derive(Debug, PartialEq)]
pub struct Parts<'a> {
    pub https: bool,
    pub authority: &'a str,
    pub path: Cow<'a, str>,
}

/// Returns the parts of a URI, its fragment left out; none where it is not absolute or has user information.
pub fn parse(uri: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = uri.split_once("://")?;
    let https = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let path = if path.starts_with('/') { Cow::Borrowed(path) } else { Cow::Owned(format!("/{path}")) };
    Some(Parts { https, authority, path })
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn parts(uri: &str) -> Option<(bool, &str, String)> {
        parse(uri).map(|parts| (parts.https, parts.authority, parts.path.into_owned()))
    }

    #[test]
    fn an_absolute_uri_has_parts() {
        assert_eq!(parts("http://a.test"), Some((false, "a.test", "/".into())));
        assert_eq!(parts("HTTPS://a.test:8080/b?c#d"), Some((true, "a.test:8080", "/b?c".into())));
        assert_eq!(parts("http://[::1]:90?q=http://x/"), Some((false, "[::1]:90", "/?q=http://x/".into())));
    }

    #[test]
    fn anything_else_has_none() {
        for uri in ["", "/path", "a.test/b", "ftp://a.test/", "http://", "http:///x", "http://me@a.test/"] {
            assert_eq!(parts(uri), None, "{uri}");
        }
    }
}
