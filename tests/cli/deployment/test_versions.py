import pytest

from wasmdeploy_cli.deployment.versions import copied, require_alone
from wasmdeploy_cli.deployment.way_back import chosen
from wasmdeploy_cli.errors import DeployError


def version(number, digest, stable=True, stop=False):
    return {"Version": number, "Stable": stable, "Stop": stop, "Meta": {"digest": digest}}


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([version(1, "b"), version(0, "a")], 0),
        ([version(2, "a"), version(1, "b"), version(0, "a")], 1),  # a second rollback goes forward again
        ([version(3, "b"), version(2, "a"), version(1, "b"), version(0, "a")], 2),
        ([version(2, "c"), version(1, "b", stable=False), version(0, "a")], 0),
        ([version(2, "b"), version(1, "b"), version(0, "a")], 0),  # scaled in between
        ([version(1, "a", stop=True), version(0, "a")], 0),  # a stopped app starts again
    ],
)
def test_the_version_to_go_back_to(versions, expected):
    """The newest stable one that is another app."""
    assert chosen(versions, None)["Version"] == expected


def test_a_version_by_its_number():
    """Any version that Nomad has can be named; one that it has not is told with those it has."""
    versions = [version(5, "b"), version(4, "a", stable=False)]
    assert chosen(versions, 4)["Version"] == 4
    with pytest.raises(DeployError, match="no version 3") as caught:
        chosen(versions, 3)
    assert caught.value.hint == "it has: 5, 4"


def test_nothing_to_go_back_to():
    """The first version cannot be taken back, nor one before which nothing was healthy."""
    for versions in ([version(0, "a")], [version(1, "b"), version(0, "a", stable=False)]):
        with pytest.raises(DeployError, match="no other version that was healthy"):
            chosen(versions, None)


def test_a_copy_comes_whole_before_the_old_one_leaves():
    """As many canaries as instances, promoted without a person; the rest of the job is as it was."""
    group = {"Name": "web", "Count": 1, "Update": {"Canary": 1, "AutoPromote": False, "MinHealthyTime": 5}}
    job = {"ID": "web", "Type": "service", "Stop": True, "Update": {"MaxParallel": 1}, "TaskGroups": [group]}
    assert copied(job, count=3, min_healthy=2) == {
        "ID": "web",
        "Type": "service",
        "Stop": False,
        "TaskGroups": [
            {
                "Name": "web", "Count": 3,
                "Update": {"Canary": 3, "MaxParallel": 3, "AutoPromote": True, "MinHealthyTime": 2},
            }
        ],
    }  # fmt: skip


def test_a_component_is_not_there_alone():
    """A name is accepted where it can only mean the app; else the error says why, and what to type."""

    def job(*names):
        config = {"component": [{name: [{"digest": "sha256:00"}]} for name in names]}
        return {"ID": "shop", "TaskGroups": [{"Tasks": [{"Config": config}]}]}

    require_alone(job("web"), "web", "scaled", "together")
    with pytest.raises(DeployError, match="shop has no component 'wbe'") as caught:
        require_alone(job("web"), "wbe", "scaled", "together")
    assert caught.value.hint == "it has: web"
    with pytest.raises(
        DeployError, match="'web' cannot be read alone: each instance of shop runs api, web"
    ) as caught:
        require_alone(job("web", "api"), "web", "read", "together")
    assert caught.value.hint == "together"
