import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.launch import Cgroup, Launch, VaultServer
from wasmdeploy_driver.task import Component, Dir, Http, Limits, Task, Variable

TEXT = st.text(max_size=8)
MAP = st.dictionaries(TEXT, TEXT, max_size=3)
DIRS = st.lists(st.builds(Dir, TEXT, TEXT, st.booleans()), max_size=2).map(tuple)
TASKS = st.builds(
    Task,
    app=TEXT,
    args=st.lists(TEXT, max_size=3).map(tuple),
    env=MAP,
    dir=DIRS,
    http=st.none() | st.builds(Http, TEXT),
    component=st.lists(
        st.builds(
            Component, TEXT, TEXT, route=st.lists(TEXT, max_size=2).map(tuple), environment=MAP, dir=DIRS
        ),
        max_size=3,
        unique_by=lambda each: each.name,
    ).map(tuple),
    variable=st.lists(
        st.builds(Variable, TEXT, st.none() | TEXT, st.booleans()),
        max_size=3,
        unique_by=lambda each: each.name,
    ).map(tuple),
    limits=st.builds(Limits, st.integers(1, 1 << 40), TEXT),
)
SMALL = Launch("id", Task(), Path("/task"), Path("/cache"), Path("/out"), Path("/err"))


@given(
    TASKS,
    st.integers(0, 65535),
    st.none() | st.builds(VaultServer, TEXT),
    st.none() | st.builds(Cgroup, TEXT),
    MAP,
)
def test_a_launch_travels_as_json(task, port, vault, cgroup, environment):
    """What is written as JSON is read back the same."""
    launch = Launch(
        "id",
        task,
        Path("/task"),
        Path("/cache"),
        Path("/out"),
        Path("/err"),
        port=port,
        vault=vault,
        cgroup=cgroup,
        environment=environment,
    )
    assert Launch.from_json(launch.to_json()) == launch


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '"x"', "\x00", "[" * 100_000])
def test_a_broken_launch(text):
    """What is no launch is a ConfigError."""
    with pytest.raises(ConfigError, match="launch"):
        Launch.from_json(text)


def test_a_launch_with_an_unknown_key():
    """A key of a newer version is named instead of ignored."""
    with pytest.raises(ConfigError, match=r"launch\.task: unknown key 'turbo'"):
        Launch.from_json(json.dumps({**json.loads(SMALL.to_json()), "task": {"turbo": True}}))
