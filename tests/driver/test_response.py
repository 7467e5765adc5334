import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.http.response import checked_head, checked_trailers, whole_response


def answer(status=200, headers=(), body=b"", head_only=False):
    return whole_response(checked_head(status, headers, 0), memoryview(body), (), head_only)


def test_names_go_on_in_lower_case():
    """A header's name goes on in lower case, its value as it is."""
    assert answer(headers=[(b"X-Mixed", b"As Is")]).headers == ((b"x-mixed", b"As Is"),)


@pytest.mark.parametrize("status", [0, 1, 99, 100, 101, 199, 1000, 65535])
def test_a_status_that_is_not_final_is_refused(status):
    """A status that ends no response is the guest's failure."""
    with pytest.raises(GuestTrap, match=str(status)):
        answer(status)


@pytest.mark.parametrize("status", [200, 204, 304, 418, 599, 999])
def test_a_final_status_goes_on(status):
    """Every final status goes on, also one that no standard names."""
    assert answer(status).status == status


@pytest.mark.parametrize(
    "name", [b"", b" ", b"a b", b" a", b"a ", b"a:b", b"a\r\nb", b"a\nb", b"a\0", b"\xc3\xa9", b"(a)"]
)
def test_a_broken_name_is_refused(name):
    """A header name is a token; anything else could split or shift the head."""
    with pytest.raises(GuestTrap, match="broken header"):
        answer(headers=[(name, b"x")])


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b", b"\x1b[31m", b"\x7f"])
def test_a_broken_value_is_refused(value):
    """A line break or another control byte in a value is refused: the response cannot be split."""
    with pytest.raises(GuestTrap, match="broken header"):
        answer(headers=[(b"x", value)])


@pytest.mark.parametrize("value", [b"", b"a\tb", b"Stra\xdfe", "é".encode(), b'a: b; c="d"'])
def test_a_valid_value_goes_on(value):
    """Spaces, tabs and bytes beyond ASCII are no reason to refuse a value."""
    assert answer(headers=[(b"x", value)]).headers == ((b"x", value),)


@pytest.mark.parametrize(
    "name", [b"Connection", b"keep-alive", b"Transfer-Encoding", b"upgrade", b"Proxy-Connection"]
)
def test_fields_of_the_connection_are_left_out(name):
    """What belongs to the connection is the front's to say."""
    headers = answer(headers=[(name, b"close"), (b"x", b"y")]).headers
    assert headers == ((b"x", b"y"),)


def test_a_matching_length_goes_on_once():
    """A length that is declared twice and true goes on once."""
    assert answer(headers=[(b"Content-Length", b"2"), (b"content-length", b"2")], body=b"ab").headers == (
        (b"content-length", b"2"),
    )


@pytest.mark.parametrize("declared", [b"1", b"3", b"-1", b"02", b"2, 2", b"", b"+2", b"0x2", b"9" * 5000])
def test_a_wrong_length_is_refused(declared):
    """A declared length that is not the body's is refused."""
    with pytest.raises(GuestTrap, match="content-length"):
        answer(headers=[(b"content-length", declared)], body=b"ab")


def test_two_lengths_are_refused():
    """Two different lengths are refused even where one of them is true."""
    with pytest.raises(GuestTrap, match="content-length"):
        answer(headers=[(b"content-length", b"2"), (b"content-length", b"20")], body=b"ab")


@pytest.mark.parametrize("case", [{"status": 304}, {"head_only": True}])
def test_a_length_without_a_body_is_the_bodys_that_would_be(case):
    """Answers to HEAD and 304 may declare the length of the body they leave out."""
    assert answer(headers=[(b"content-length", b"900")], **case).headers == ((b"content-length", b"900"),)


@pytest.mark.parametrize("case", [{"status": 304}, {"head_only": True}])
def test_a_length_without_a_body_is_a_number(case):
    """Also there the length must be a number."""
    with pytest.raises(GuestTrap, match="content-length"):
        answer(headers=[(b"content-length", b"many")], **case)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_content_has_no_body(status):
    """What a guest wrote after a 204 or 304 is dropped: the next response must not begin with it."""
    assert answer(status, body=b"HTTP/1.1 200 OK").body == b""


def test_no_content_has_no_length():
    """A 204 declares no length at all."""
    assert answer(204, headers=[(b"content-length", b"0")]).headers == ()


def test_trailers():
    """Trailers go on in lower case; a broken one is left out, since the body has gone already."""
    assert checked_trailers(((b"X-Sum", b"1"), (b"a b", b"2"), (b"x", b"a\r\nb"))) == ((b"x-sum", b"1"),)


@given(
    st.integers(0, 70000),
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20))),
    st.binary(max_size=40),
)
def test_only_traps_or_safe_answers(status, headers, body):
    """Whatever a guest answers, it is a trap or has no line break in its head."""
    try:
        response = answer(status, headers, body)
    except GuestTrap:
        return
    assert not any(
        byte in part for name, value in response.headers for part in (name, value) for byte in b"\r\n\0"
    )
