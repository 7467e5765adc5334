//! The allow-list of outgoing requests.
//!
//! A rule is `scheme://host:port`. Scheme: `http`, `https` or `*`. Host: a name, `*.suffix` or `*`; IPv6 in
//! brackets. Port: a number, `first..last`, `*`, or left out for the scheme's own. A rule or a target of any
//! other form never matches; names are compared without regard to case and never resolved.

/// Tells whether one of the rules allows a request.
pub fn allow(rules: &[String], scheme: &str, authority: &str) -> bool {
    let Some(target) = Target::parse(scheme, authority) else { return false };
    rules.iter().any(|rule| target.matches(rule).unwrap_or(false))
}

struct Target<'a> {
    scheme: &'a str,
    host: &'a str,
    port: u16,
}

impl<'a> Target<'a> {
    fn parse(scheme: &'a str, authority: &'a str) -> Option<Self> {
        let (host, port) = split(authority)?;
        if !is_host(host) {
            return None;
        }
        let port = match port {
            Some(port) => number(port)?,
            None => default_port(scheme)?,
        };
        default_port(scheme).map(|_| Target { scheme, host, port })
    }

    /// `None` is a rule that is not well-formed.
    fn matches(&self, rule: &str) -> Option<bool> {
        let (scheme, authority) = rule.split_once("://")?;
        let (host, port) = split(authority)?;
        let scheme_matches = match scheme {
            "*" => true,
            _ => default_port(scheme).is_some() && scheme == self.scheme,
        };
        Some(scheme_matches && self.host_matches(host)? && self.port_matches(port)?)
    }

    fn host_matches(&self, host: &str) -> Option<bool> {
        if host == "*" {
            return Some(true);
        }
        if let Some(suffix) = host.strip_prefix("*.") {
            if !is_host(suffix) || suffix.starts_with('[') {
                return None;
            }
            let split = self.host.len().checked_sub(suffix.len());
            let Some((label, end)) = split.and_then(|at| self.host.split_at_checked(at)) else {
                return Some(false);
            };
            return Some(label.len() > 1 && label.ends_with('.') && end.eq_ignore_ascii_case(suffix));
        }
        is_host(host).then(|| host.eq_ignore_ascii_case(self.host))
    }

    fn port_matches(&self, port: Option<&str>) -> Option<bool> {
        match port {
            None => Some(default_port(self.scheme)? == self.port),
            Some("*") => Some(true),
            Some(port) => match port.split_once("..") {
                Some((first, last)) => Some((number(first)?..=number(last)?).contains(&self.port)),
                None => Some(number(port)? == self.port),
            },
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Splits an authority into host and port; one with user information is not split.
fn split(authority: &str) -> Option<(&str, Option<&str>)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !host.is_empty()
        && !host.starts_with('.')
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

fn number(digits: &str) -> Option<u16> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::allow;

    fn allowed(rule: &str, scheme: &str, authority: &str) -> bool {
        allow(&[rule.to_owned()], scheme, authority)
    }

    #[test]
    fn without_a_rule_nothing_is_allowed() {
        assert!(!allow(&[], "https", "example.com"));
    }

    #[test]
    fn an_exact_rule_allows_its_scheme_host_and_port_alone() {
        let rule = "https://Example.com:8443";
        assert!(allowed(rule, "https", "example.COM:8443"));
        for (scheme, authority) in [
            ("http", "example.com:8443"),
            ("https", "example.com"),
            ("https", "a.example.com:8443"),
            ("https", "example.com.:8443"),
            ("https", "evil.com@example.com:8443"),
            ("https", "example.com:8443@evil.com"),
            ("https", "example.com:08443x"),
        ] {
            assert!(!allowed(rule, scheme, authority), "{scheme}://{authority}");
        }
    }

    #[test]
    fn a_rule_without_port_means_the_default_of_the_scheme() {
        assert!(allowed("https://a", "https", "a"));
        assert!(allowed("https://a", "https", "a:443"));
        assert!(!allowed("https://a", "https", "a:80"));
        assert!(allowed("*://a", "http", "a"));
        assert!(allowed("*://a", "https", "a:443"));
        assert!(!allowed("*://a", "http", "a:443"));
    }

    #[test]
    fn ports_may_be_any_or_a_range() {
        assert!(allowed("http://a:*", "http", "a:1"));
        assert!(allowed("http://a:8000..8010", "http", "a:8000"));
        assert!(allowed("http://a:8000..8010", "http", "a:8010"));
        assert!(!allowed("http://a:8000..8010", "http", "a:8011"));
        assert!(!allowed("http://a:8010..8000", "http", "a:8005"));
    }

    #[test]
    fn a_suffix_needs_a_label_in_front() {
        let rule = "https://*.example.com";
        assert!(allowed(rule, "https", "a.b.EXAMPLE.com"));
        for authority in ["example.com", ".example.com", "badexample.com", "a.example.com.evil.com", "[::1]"]
        {
            assert!(!allowed(rule, "https", authority), "{authority}");
        }
    }

    #[test]
    fn any_host_is_still_a_host() {
        assert!(allowed("*://*:*", "http", "10.0.0.1:9"));
        for authority in ["", "a b", "a/b", "u@h", "a:b:1", "a:", "a%41", "é", "[::1", "[x]"] {
            assert!(!allowed("*://*:*", "http", authority), "{authority}");
        }
        assert!(!allowed("*://*:*", "ftp", "a:21"));
    }

    #[test]
    fn ipv6_is_written_in_brackets() {
        assert!(allowed("http://[::1]:8080", "http", "[::1]:8080"));
        assert!(allowed("http://[fe80::A]", "http", "[FE80::a]"));
        assert!(!allowed("http://::1", "http", "[::1]"));
        assert!(!allowed("http://[::1]", "http", "::1"));
    }

    #[test]
    fn a_malformed_rule_allows_nothing() {
        for rule in [
            "",
            "a",
            "*",
            "https:a",
            "://a",
            "ftp://a",
            "https://",
            "https://a/",
            "https://a:",
            "https://a:x",
            "https://a:1..",
            "https://*a",
            "https://a.*",
            "https://u@a",
            "https://*.",
            "https://*.*",
        ] {
            assert!(!allowed(rule, "https", "a"), "{rule}");
            assert!(!allowed(rule, "https", "a.a"), "{rule}");
        }
    }
}
