"""What differs, and what is the same."""

from __future__ import annotations

from wasmdeploy_cli.secrets import Place, compare
from wasmdeploy_cli.vault import Version
from wasmdeploy_driver.secrets import Secret

A, B = Place("a", "secret/x/app", "a"), Place("b", "secret/x/app", "b")
MADE = Place("user", "database/creds/app", "username")
STORED = {"secret/x/app": Version(3, {"a": "1", "old": "2"})}


def states(found: list[compare.Difference]) -> list[tuple[str, str]]:
    """Names and states."""
    return [(each.name, each.state) for each in found]


def test_beside_what_runs() -> None:
    """A newer version, a missing field, a field nobody reads and a value that Vault makes are told apart."""
    found = compare.with_running([A, B, MADE], STORED, "secret/x/app@2")
    assert states(found) == [("a", "changed"), ("b", "missing"), ("user", "unknown"), ("old", "unused")]
    assert found[0].detail == "version 3; deployed with 2"


def test_beside_what_runs_with_the_newest() -> None:
    """The version that the running job read is the same."""
    assert states(compare.with_running([A], {A.path: Version(3, {"a": "1"})}, "x/y@1 secret/x/app@3")) == [
        ("a", "same")
    ]


def test_beside_nothing() -> None:
    """Without a job all is new; a job that does not say what it read leaves it open."""
    stored = {A.path: Version(3, {"a": "1"})}
    assert states(compare.with_running([A], stored, None)) == [("a", "new")]
    assert states(compare.with_running([A], stored, "")) == [("a", "unknown")]


def test_beside_a_file() -> None:
    """A file's values are compared one by one, and no value is in what is shown."""
    values = {"a": Secret("1"), "b": Secret("s3cret")}
    found = compare.with_values([A, B], STORED, values)
    assert states(found) == [("a", "same"), ("b", "new")]
    assert states(compare.with_values([A], STORED, {"a": Secret("s3cret")})) == [("a", "changed")]
    assert "s3cret" not in repr(found)
