"""Plans that are read from files."""

import json

import pytest

from wasmdeploy_cli.deployment import planfile
from wasmdeploy_cli.errors import ConfigError

WHOLE = {
    "format": "wasmdeploy plan 2", "manifest": "/app/wasmdeploy.toml", "environment": "", "values": {},
    "component_dir": "", "canaries": 0, "auto_promote": True, "replace": False, "job": {}, "plan": {"index": 7},
}  # fmt: skip


def test_what_plan_writes_is_read(tmp_path):
    """A plan has the index of the job that it follows."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(WHOLE))
    assert planfile.read(path).index == 7


@pytest.mark.parametrize(
    "content",
    [[], "plan", None, *({**WHOLE, name: None} for name in ("format", "plan"))]
    + [{name: value for name, value in WHOLE.items() if name != left_out} for left_out in WHOLE],
    ids=str,
)
def test_what_is_no_whole_plan_is_refused(tmp_path, content):
    """A file that lacks something, or is another's, is told by its name."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"plan\.json is no plan of this wasmdeploy"):
        planfile.read(path)
