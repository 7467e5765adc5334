from dataclasses import dataclass, field

import pytest

from tests.stack.fixtures import Events
from wasmdeploy_cli.deployment.way_back import chosen, keep
from wasmdeploy_cli.errors import ClusterError, DeployError

TAG = "wasmdeploy-rollback"


@dataclass
class FakeNomad:
    """Versions of one job, and the calls that change their tags."""

    known: list
    error: str = ""
    calls: list = field(default_factory=list)

    def versions(self, name):
        return self.known

    def tag(self, name, version, tag):
        if self.error:
            raise ClusterError(self.error)
        self.calls.append((name, version, tag))

    def untag(self, name, tag):
        self.calls.append((name, tag))


def version(number, digest, tag=""):
    named = {"Name": tag} if tag else None
    return {"Version": number, "Stable": True, "Meta": {"digest": digest}, "VersionTag": named}


@pytest.mark.parametrize(
    ("known", "calls"),
    [
        ([], []),
        ([version(0, "a")], []),
        ([version(1, "b"), version(0, "a")], [("web", 0, TAG)]),
        ([version(2, "b"), version(1, "b"), version(0, "a", TAG)], []),
        ([version(2, "c"), version(1, "b"), version(0, "a", TAG)], [("web", TAG), ("web", 1, TAG)]),
        ([version(1, "b"), version(0, "a", "theirs")], []),
    ],
)
def test_the_way_back_is_kept(known, calls):
    """The version to go back to has a tag, its user's or ours, which moves along."""
    nomad = FakeNomad(known)
    keep(nomad, "web", Events())
    assert nomad.calls == calls


def test_a_nomad_without_tags():
    """It is told, and keeps nobody from a deploy."""
    out = Events()
    keep(FakeNomad([version(1, "b"), version(0, "a")], "Nomad: no such thing"), "web", out)
    assert out.events == [
        ("untagged", "Nomad cannot be told to keep version 0 for a rollback: Nomad: no such thing")
    ]


@pytest.mark.parametrize(("wanted", "words"), [(1, "no version 1 any more"), (99, "no version 99")])
def test_a_version_that_is_not_there(wanted, words):
    """One that Nomad has forgotten is told from one that never was."""
    with pytest.raises(DeployError, match=f"{words}$") as caught:
        chosen([version(4, "d"), version(3, "c")], wanted)
    assert caught.value.hint == "it has: 4, 3"
