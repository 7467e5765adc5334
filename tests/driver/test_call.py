from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.errors import GuestTimeout, GuestTrap
from wasmdeploy_driver.guest.call import (
    MAX_DETAIL,
    SUCCESS,
    Call,
    Outcome,
    Stdin,
    decode_trailers,
    encode_trailers,
)

# What the front lets through: see http/trailers.py.
TRAILERS = st.lists(
    st.tuples(
        st.from_regex(rb"[!#$%&'*+\-.^_`|~0-9a-z]+", fullmatch=True),
        st.from_regex(rb"[\t\x20-\x7e\x80-\xff]*", fullmatch=True),
    ),
    min_size=1,
).map(tuple)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(st.integers(0, 1000), st.binary(max_size=50), st.dictionaries(TEXT, TEXT, min_size=1), st.lists(TEXT))
def test_a_call_comes_back(component, stdin, environment, args):
    """A call is the same at the other end, whatever is in it."""
    call = Call(component, stdin, environment, tuple(args))
    assert Call.decode(call.encode()) == (call, Stdin.MESSAGE)


@given(TRAILERS, st.binary(max_size=50))
def test_trailers_come_back(trailers, stdin):
    """They are the same at the other end, with the call or behind it, where they are taken for nothing else."""
    call = Call(0, stdin, trailers=trailers)
    assert Call.decode(call.encode()) == (call, Stdin.MESSAGE)
    assert decode_trailers(encode_trailers(trailers)) == trailers
    assert decode_trailers(call.encode()) is None


def test_stdin_may_go_another_way():
    """The message of a call whose stdin is elsewhere has none of it, but how much of a file it is."""
    whole = Call(1, b"x" * 1000)
    assert Call.decode(whole.encode(Stdin.PIPE)) == (Call(1), Stdin.PIPE)
    call, stdin = Call.decode(whole.encode(Stdin.FILE))
    assert stdin is Stdin.FILE
    assert call.from_file(lambda size: b"x" * size) == whole


@given(TEXT.filter(bool), st.booleans(), st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9))))
def test_an_outcome_comes_back(failure, late, trailers):
    """An outcome is the same at the other end."""
    outcome = Outcome(failure, late, tuple(trailers))
    assert Outcome.decode(outcome.encode()) == outcome


def test_success_is_a_byte():
    """The message of plain success is short, and not empty: that would be the end of the process."""
    assert SUCCESS.encode() == b"\n"
    assert Outcome.decode(b"\n") is SUCCESS


def test_a_long_failure_is_cut():
    """A guest's backtrace fits in a message."""
    assert len(Outcome.decode(Outcome("x" * 1_000_000).encode()).failure) == MAX_DETAIL


def test_failures():
    """A failure is the error that it was."""
    assert isinstance(Outcome.failed(GuestTimeout("late")).error(), GuestTimeout)
    assert Outcome.failed(GuestTrap("trap")).error().message == "trap"
    assert Outcome.failed(ValueError("odd")).failure == "ValueError: odd"
