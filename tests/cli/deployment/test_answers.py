import pytest

from wasmdeploy_cli.deployment.answers import answer


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("HTTP GET http://127.0.0.1:1/up: 418 I'm a teapot Output: short\nand stout\n",
         "GET /up answered 418 I'm a teapot: short and stout"),
        ("HTTP GET http://127.0.0.1:1/: 500 Internal Server Error Output: ",
         "GET / answered 500 Internal Server Error"),
        ('Get "http://127.0.0.1:1/up": dial tcp 127.0.0.1:1: connect: connection refused',
         "GET /up failed: dial tcp 127.0.0.1:1: connect: connection refused"),
        ("something else", "something else"),
    ],
)  # fmt: skip
def test_what_a_check_answered(output, text):
    """Consul's words about an HTTP check, on one line and without its address."""
    assert answer(output) == text


def test_a_long_answer_is_cut():
    """A page of HTML is not repeated."""
    assert len(answer(f"HTTP GET http://h/: 500 Oops Output: {'x' * 5000}")) < 300
