//! The words for an error code: its name in kebab case, then what it carries; and codes from the host's words.

use std::fmt::Display;

use crate::guest::{DnsErrorPayload, ErrorCode, FieldSizePayload};

/// Returns for example `connection-refused` or `internal-error: no such user`.
pub fn describe(code: &ErrorCode) -> String {
    match code {
        ErrorCode::DnsTimeout => "dns-timeout".into(),
        ErrorCode::DnsError(error) => detailed("dns-error", [option(&error.rcode), option(&error.info_code)]),
        ErrorCode::DestinationNotFound => "destination-not-found".into(),
        ErrorCode::DestinationUnavailable => "destination-unavailable".into(),
        ErrorCode::DestinationIpProhibited => "destination-ip-prohibited".into(),
        ErrorCode::DestinationIpUnroutable => "destination-ip-unroutable".into(),
        ErrorCode::ConnectionRefused => "connection-refused".into(),
        ErrorCode::ConnectionTerminated => "connection-terminated".into(),
        ErrorCode::ConnectionTimeout => "connection-timeout".into(),
        ErrorCode::ConnectionReadTimeout => "connection-read-timeout".into(),
        ErrorCode::ConnectionWriteTimeout => "connection-write-timeout".into(),
        ErrorCode::ConnectionLimitReached => "connection-limit-reached".into(),
        ErrorCode::TlsProtocolError => "tls-protocol-error".into(),
        ErrorCode::TlsCertificateError => "tls-certificate-error".into(),
        ErrorCode::TlsAlertReceived(alert) => {
            detailed("tls-alert-received", [option(&alert.alert_id), option(&alert.alert_message)])
        }
        ErrorCode::HttpRequestDenied => "http-request-denied".into(),
        ErrorCode::HttpRequestLengthRequired => "http-request-length-required".into(),
        ErrorCode::HttpRequestBodySize(size) => detailed("http-request-body-size", [option(size)]),
        ErrorCode::HttpRequestMethodInvalid => "http-request-method-invalid".into(),
        ErrorCode::HttpRequestUriInvalid => "http-request-uri-invalid".into(),
        ErrorCode::HttpRequestUriTooLong => "http-request-uri-too-long".into(),
        ErrorCode::HttpRequestHeaderSectionSize(size) => {
            detailed("http-request-header-section-size", [option(size)])
        }
        ErrorCode::HttpRequestHeaderSize(None) => "http-request-header-size".into(),
        ErrorCode::HttpRequestHeaderSize(Some(field)) => sized("http-request-header-size", field),
        ErrorCode::HttpRequestTrailerSectionSize(size) => {
            detailed("http-request-trailer-section-size", [option(size)])
        }
        ErrorCode::HttpRequestTrailerSize(field) => sized("http-request-trailer-size", field),
        ErrorCode::HttpResponseIncomplete => "http-response-incomplete".into(),
        ErrorCode::HttpResponseHeaderSectionSize(size) => {
            detailed("http-response-header-section-size", [option(size)])
        }
        ErrorCode::HttpResponseHeaderSize(field) => sized("http-response-header-size", field),
        ErrorCode::HttpResponseBodySize(size) => detailed("http-response-body-size", [option(size)]),
        ErrorCode::HttpResponseTrailerSectionSize(size) => {
            detailed("http-response-trailer-section-size", [option(size)])
        }
        ErrorCode::HttpResponseTrailerSize(field) => sized("http-response-trailer-size", field),
        ErrorCode::HttpResponseTransferCoding(coding) => {
            detailed("http-response-transfer-coding", [option(coding)])
        }
        ErrorCode::HttpResponseContentCoding(coding) => {
            detailed("http-response-content-coding", [option(coding)])
        }
        ErrorCode::HttpResponseTimeout => "http-response-timeout".into(),
        ErrorCode::HttpUpgradeFailed => "http-upgrade-failed".into(),
        ErrorCode::HttpProtocolError => "http-protocol-error".into(),
        ErrorCode::LoopDetected => "loop-detected".into(),
        ErrorCode::ConfigurationError => "configuration-error".into(),
        ErrorCode::InternalError(text) => detailed("internal-error", [option(text)]),
    }
}

/// Reads the words of the egress connector, such as `connection-refused` or `DNS-error: NXDOMAIN`.
pub fn parse(words: &str) -> ErrorCode {
    let (name, detail) = words.split_once(": ").unwrap_or((words, ""));
    match name.to_ascii_lowercase().as_str() {
        "dns-timeout" => ErrorCode::DnsTimeout,
        "dns-error" => {
            ErrorCode::DnsError(DnsErrorPayload { rcode: Some(detail.to_owned()), info_code: None })
        }
        "destination-not-found" => ErrorCode::DestinationNotFound,
        "destination-unavailable" => ErrorCode::DestinationUnavailable,
        "destination-ip-prohibited" => ErrorCode::DestinationIpProhibited,
        "destination-ip-unroutable" => ErrorCode::DestinationIpUnroutable,
        "connection-refused" => ErrorCode::ConnectionRefused,
        "connection-terminated" => ErrorCode::ConnectionTerminated,
        "connection-timeout" => ErrorCode::ConnectionTimeout,
        "connection-read-timeout" => ErrorCode::ConnectionReadTimeout,
        "connection-limit-reached" => ErrorCode::ConnectionLimitReached,
        "tls-protocol-error" => ErrorCode::TlsProtocolError,
        "tls-certificate-error" => ErrorCode::TlsCertificateError,
        "http-request-denied" => ErrorCode::HttpRequestDenied,
        "http-request-method-invalid" => ErrorCode::HttpRequestMethodInvalid,
        "http-request-uri-invalid" => ErrorCode::HttpRequestUriInvalid,
        "http-request-header-section-size" => ErrorCode::HttpRequestHeaderSectionSize(None),
        "http-protocol-error" => ErrorCode::HttpProtocolError,
        _ => ErrorCode::InternalError(Some(words.to_owned())),
    }
}

fn sized(name: &str, field: &FieldSizePayload) -> String {
    detailed(name, [option(&field.field_name), option(&field.field_size)])
}

fn option(value: &Option<impl Display>) -> Option<String> {
    value.as_ref().map(ToString::to_string)
}

fn detailed<const N: usize>(name: &str, details: [Option<String>; N]) -> String {
    let details: Vec<String> = details.into_iter().flatten().collect();
    if details.is_empty() { name.to_owned() } else { format!("{name}: {}", details.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_words_become_a_code() {
        assert_eq!(describe(&parse("TLS-certificate-error")), "tls-certificate-error");
        assert_eq!(describe(&parse("DNS-error: NXDOMAIN")), "dns-error: NXDOMAIN");
        assert_eq!(describe(&parse("something new")), "internal-error: something new");
    }

    #[test]
    fn a_code_is_named_with_its_details() {
        assert_eq!(describe(&ErrorCode::HttpRequestDenied), "http-request-denied");
        assert_eq!(describe(&ErrorCode::InternalError(Some("oh: no".into()))), "internal-error: oh: no");
        let field = FieldSizePayload { field_name: Some("x".into()), field_size: Some(9) };
        assert_eq!(describe(&ErrorCode::HttpResponseTrailerSize(field)), "http-response-trailer-size: x 9");
    }
}
