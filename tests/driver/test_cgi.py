import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.http.cgi import arguments, environment, missing_head, parse_head
from wasmdeploy_driver.http.message import Request
from wasmdeploy_driver.http.response import whole_response


def request(target=b"/api/x?a=1", headers=(), authority=b"a.test:8080", scheme="http", body=b"hi"):
    return Request("POST", scheme, authority, target, headers, body, "192.0.2.7")


def test_a_requests_variables():
    """A request becomes the variables of RFC 3875 and those of WAGI."""
    variables = environment(
        request(headers=((b"host", b"a.test:8080"), (b"content-type", b"text/plain"))), "/api/..."
    )
    assert variables == {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "wasmdeploy",
        "REQUEST_METHOD": "POST",
        "SERVER_NAME": "a.test",
        "SERVER_PORT": "8080",
        "SCRIPT_NAME": "/api",
        "PATH_INFO": "/x",
        "PATH_TRANSLATED": "/x",
        "QUERY_STRING": "a=1",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_HOST": "192.0.2.7",
        "X_FULL_URL": "http://a.test:8080/api/x?a=1",
        "REMOTE_USER": "",
        "AUTH_TYPE": "",
        "X_MATCHED_ROUTE": "/api/...",
        "X_RAW_COMPONENT_ROUTE": "/api/...",
        "X_COMPONENT_ROUTE": "/api",
        "X_BASE_PATH": "/",
        "X_RAW_PATH_INFO": "/x",
        "CONTENT_LENGTH": "2",
        "CONTENT_TYPE": "text/plain",
        "HTTP_HOST": "a.test:8080",
    }


@pytest.mark.parametrize(
    ("route", "target", "script", "info"),
    [
        ("/...", b"/", "", "/"),
        ("/...", b"/a/b", "", "/a/b"),
        ("/a/...", b"/a", "/a", ""),
        ("/a/...", b"/a/b", "/a", "/b"),
        ("/a", b"/a/", "/a", "/"),
        ("/a/", b"/a", "/a", ""),
    ],
)
def test_the_path_is_split_at_the_route(route, target, script, info):
    """SCRIPT_NAME is what the route matched, PATH_INFO the rest, with or without a trailing slash."""
    variables = environment(request(target), route)
    assert (variables["SCRIPT_NAME"], variables["PATH_INFO"]) == (script, info)


@pytest.mark.parametrize(
    ("target", "info", "raw"),
    [
        (b"/api/a%20b/%C3%A9", "/a b/\u00e9", "/a%20b/%C3%A9"),
        (b"/api/%zz%", "/%zz%", "/%zz%"),
        (b"/api/%ff", "/\u00ff", "/%ff"),
        (b"/api/a%00b", "/ab", "/a%00b"),
        (b"/api/\xc3\xa9?%20", "/\u00e9", "/\u00e9"),
    ],
)
def test_the_path_info_is_decoded(target, info, raw):
    """PATH_INFO and PATH_TRANSLATED are decoded; X_RAW_PATH_INFO is what came."""
    variables = environment(request(target), "/api/...")
    assert variables["PATH_INFO"] == variables["PATH_TRANSLATED"] == info
    assert variables["X_RAW_PATH_INFO"] == raw


@pytest.mark.parametrize(
    ("target", "argv", "fixed", "expected"),
    [
        (b"/env", "${SCRIPT_NAME} ${ARGS}", (), ("/env",)),
        (b"/env?greet=matt&foo=b%20r", "${SCRIPT_NAME} ${ARGS}", (), ("/env", "greet=matt", "foo=b%20r")),
        (b"/env?&&a&", "${SCRIPT_NAME} ${ARGS}", (), ("/env", "a")),
        (b"/?q", "${SCRIPT_NAME} ${ARGS}", ("one two", ""), ("/", "one two", "", "q")),
        (
            b"/x?a&b",
            "php  -f  ${SCRIPT_NAME}.php --query=${ARGS}",
            (),
            ("php", "-f", "/x.php", "--query=a b"),
        ),
        (b"/x?a", "tool", ("lost",), ("tool",)),
        (b"/${ARGS}?${SCRIPT_NAME}", "${SCRIPT_NAME} ${ARGS}", (), ("/${ARGS}", "${SCRIPT_NAME}")),
    ],
)
def test_the_arguments(target, argv, fixed, expected):
    """The template's words, with the path, the component's own arguments and the parts of the query."""
    assert arguments(request(target), argv, fixed) == expected


@pytest.mark.parametrize(
    ("authority", "scheme", "expected"),
    [
        (b"a.test", "http", ("a.test", "80")),
        (b"a.test", "https", ("a.test", "443")),
        (b"[::1]:90", "http", ("[::1]", "90")),
        (b"[::1]", "http", ("[::1]", "80")),
        (b"", "http", ("", "80")),
    ],
)
def test_server_name_and_port(authority, scheme, expected):
    """The authority is taken apart, IPv6 included; the scheme gives the port where none is named."""
    variables = environment(request(authority=authority, scheme=scheme), "/...")
    assert (variables["SERVER_NAME"], variables["SERVER_PORT"]) == expected


def test_a_repeated_header_is_joined():
    """A header that comes twice is one variable; cookies have a separator of their own."""
    twice = ((b"x-a", b"1"), (b"x-a", b"2"), (b"cookie", b"a=1"), (b"cookie", b"b=2"))
    variables = environment(request(headers=twice), "/...")
    assert (variables["HTTP_X_A"], variables["HTTP_COOKIE"]) == ("1, 2", "a=1; b=2")


def test_values_keep_their_bytes():
    """A value in UTF-8 reaches the guest as it came, any other byte by byte."""
    variables = environment(request(headers=((b"x-a", "\u00e9".encode()), (b"x-b", b"\xe9"))), "/...")
    assert (variables["HTTP_X_A"], variables["HTTP_X_B"]) == ("\u00e9", "\u00e9")


@pytest.mark.parametrize("name", [b"proxy", b"x_forwarded_for", b"content-length", b"connection"])
def test_headers_that_would_fake_a_variable(name):
    """Neither HTTP_PROXY nor a variable that another header owns can be set from outside."""
    variables = environment(request(headers=((b"x-forwarded-for", b"192.0.2.1"), (name, b"evil"))), "/...")
    assert "evil" not in " ".join(variables.values())


def test_a_nul_byte_ends_no_variable():
    """NUL bytes are taken out of values: the guest's environment is a list of C strings."""
    assert environment(request(headers=((b"x", b"a\0b"),)), "/...")["HTTP_X"] == "ab"


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.binary(max_size=9))),
    st.binary(max_size=30),
    st.binary(max_size=9),
)
def test_any_request_has_variables(headers, target, authority):
    """No request, however odd, keeps the environment from being made."""
    odd = request(b"/" + target, tuple(headers), authority)
    variables = environment(odd, "/...")
    assert not any("\0" in text for text in (*variables.values(), *arguments(odd, "${SCRIPT_NAME} ${ARGS}")))
    assert variables["REQUEST_METHOD"] == "POST"


def parse_response(output, head_only=False):
    """The response in the whole output of a program."""
    head = parse_head(output)
    if head is None:
        raise missing_head(output)
    return whole_response(head, output[head.body_at :], (), head_only)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_response(newline):
    """Headers, an empty line and a body are a response, with either kind of line end."""
    response = parse_response(
        newline.join([b"Content-Type: text/plain", b"X-A:  b ", b"", b"one", b"", b"two"])
    )
    assert (response.status, response.headers) == (200, ((b"content-type", b"text/plain"), (b"x-a", b"b")))
    assert bytes(response.body) == newline.join([b"one", b"", b"two"])


def test_a_header_that_comes_twice():
    """Set-Cookie may be printed more than once."""
    response = parse_response(b"Content-Type: a/b\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n")
    assert response.headers[1:] == ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))


def test_mixed_line_ends():
    """The empty line is found where line ends are mixed, too; one in the body is not taken."""
    assert bytes(parse_response(b"Content-Type: a/b\n\r\nbody\n\nmore").body) == b"body\n\nmore"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Status: 404 Not Found", 404),
        (b"status:201", 201),
        (b"Location: /x", 302),
        (b"Location: /x\nStatus: 301", 301),
    ],
)
def test_the_status(head, status):
    """Status gives the status, a Location alone means 302; Status itself is no header of the response."""
    response = parse_response(head + b"\n\n")
    assert response.status == status
    assert b"status" not in dict(response.headers)


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"hello\n",
        b"\n\n",
        b"\nhello",
        b"no colon\n\nbody",
        b"X-A: only\n\n",
        b": empty\nContent-Type: a/b\n\n",
        b"Content Type: a/b\n\n",
        b"Content-Type : a/b\n\n",
        b"Content-Type: a/b\n folded: x\n\n",
        b"Content-Type: a\rSet-Cookie: b\n\n",
        b"Content-Type: a\0\n\n",
        b"Status: 99\n\n",
        b"Status: 101\n\n",
        b"Status: 2000\n\n",
        b"Status: OK\n\n",
        b"Status: \xb2\xb2\xb2\n\n",
        b"Status:\n\n",
        b"Content-Type: a/b\nContent-Length: 9\n\nbody",
        b"Content-Type: a/b\nContent-Length: x\n\nbody",
    ],
)
def test_a_broken_response(output):
    """Output that is no CGI response, or a broken one, is the guest's failure."""
    with pytest.raises(GuestTrap):
        parse_response(output)


def test_a_giant_head():
    """An empty line is looked for only where a head may end."""
    with pytest.raises(GuestTrap, match="larger than 128 KiB"):
        parse_response(b"Content-Type: a/b\nX: " + b"x" * 200_000 + b"\n\nbody")


def test_fields_of_the_connection():
    """What belongs to the connection does not reach the front."""
    response = parse_response(
        b"Content-Type: a/b\nConnection: close\nTransfer-Encoding: chunked\n\n5\r\nhello"
    )
    assert response.headers == ((b"content-type", b"a/b"),)


def test_the_answer_to_head():
    """The answer to a HEAD request may declare a length without a body."""
    output = b"Content-Type: a/b\nContent-Length: 12\n\n"
    assert (b"content-length", b"12") in parse_response(output, head_only=True).headers


@given(st.one_of(st.binary(), st.builds(lambda head, body: head + b"\n\n" + body, st.binary(), st.binary())))
def test_random_output(output):
    """Random output is a response or a GuestTrap, never another exception."""
    with contextlib.suppress(GuestTrap):
        assert parse_response(output).status >= 200
