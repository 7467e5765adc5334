from pathlib import Path

import pytest

from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest import Build, Component, Deploy, HttpTrigger, Variable, load
from wasmdeploy_cli.manifest.deploy import Vault
from wasmdeploy_cli.manifest.limits import Limits
from wasmdeploy_cli.manifest.place import KEYS, TOML
from wasmdeploy_driver import task

FULL = """\
[application]
name = "shop"
version = "1.2.3"
description = "Sells things"
authors = ["A <a@example.com>"]

[variables]
greeting = { default = "" }
token = { secret = true, vault = "kv/team/shop#token" }
size = { required = true, description = "How big" }

[[trigger.http]]
route = "/..."
component = "front"

[[trigger.http]]
id = "api"
route = "/api/..."
component = "api"
executor = { type = "wagi" }

[component.front]
source = "front.wasm"
description = "The pages"
environment = { GREETING = "{{ greeting }}!" }

[component.api]
source = "build/api.wasm"
allowed_outbound_hosts = ["https://api.example.com", "*://*.example.org:8000..9000"]
[component.api.variables]
token = "{{ token }}"
[component.api.build]
command = ["make one", "make two"]
workdir = "api"
watch = ["api/**/*.go"]
[component.api.tool.other]
anything = true

[deploy]
namespace = "team"
region = "eu"
datacenters = ["a", "b"]
count = 2
cpu = 500
memory = 512
host = "shop.example.com"
health_path = "/healthz"
entrypoints = ["websecure"]
artifacts = "https://artifacts.example.com/wasm"
vault = { role = "shop", path = "kv/team/shop" }
limits = { memory_mb = 128, timeout = "1m30s" }
"""


def refusal(directory: Path, text: str, name: str = "wasmdeploy.toml") -> tuple[str, str]:
    """What is said of a manifest, and the hint; empty for one that only says where to read."""
    with pytest.raises(ConfigError) as caught:
        app(directory, text, name)
    return caught.value.message.removeprefix(f"{directory}/"), "" if caught.value.hint in (
        KEYS,
        TOML,
    ) else caught.value.hint


def test_every_key_is_read(tmp_path):
    """A manifest with all keys becomes the values it says."""
    shop = app(tmp_path, FULL)
    assert shop.name == "shop"
    assert shop.application.authors == ("A <a@example.com>",)
    assert shop.variables == {
        "greeting": Variable(default=""),
        "token": Variable(secret=True, vault="kv/team/shop#token"),
        "size": Variable(required=True, description="How big"),
    }
    assert shop.trigger.http[0] == HttpTrigger("/...", "front")
    assert shop.trigger.http[1].id == "api"
    assert shop.component["api"] == Component(
        source="build/api.wasm",
        allowed_outbound_hosts=("https://api.example.com", "*://*.example.org:8000..9000"),
        variables={"token": "{{ token }}"},
        build=Build(("make one", "make two"), "api", ("api/**/*.go",)),
    )
    assert shop.deploy == Deploy(
        namespace="team",
        region="eu",
        datacenters=("a", "b"),
        count=2,
        cpu=500,
        memory=512,
        host="shop.example.com",
        health_path="/healthz",
        entrypoints=("websecure",),
        artifacts="https://artifacts.example.com/wasm",
        vault=Vault("shop", "kv/team/shop"),
        limits=Limits(128, "1m30s"),
    )
    assert shop.secrets == ("token",)
    assert shop.service_name == "team-shop"
    assert shop.source("api") == tmp_path / "build/api.wasm"
    assert shop.routes("api") == ("/api/...",)


def test_defaults(tmp_path):
    """What a small manifest leaves out has its defaults; guests get the memory that the executor leaves."""
    small = app(tmp_path)
    assert small.deploy == Deploy()
    assert small.limits == task.Limits(192, "30s")
    assert small.service_name == "hello"


def test_directory(tmp_path):
    """A directory means the manifest in it, one command as a string is a list of one."""
    (tmp_path / "wasmdeploy.toml").write_text(SMALL + '[component.web.build]\ncommand = "make"\n')
    assert load(tmp_path).component["web"].build == Build(("make",))


def test_directory_without_manifest(tmp_path):
    """A directory without a manifest says what it looked for."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert caught.value.message == f"{tmp_path}: neither wasmdeploy.toml nor spin.toml is here"
    assert caught.value.hint == "make an app with `wasmdeploy new NAME`"


def test_no_such_file(tmp_path):
    """A manifest that is not there is named."""
    with pytest.raises(ConfigError, match=r"/none\.toml: No such file or directory$"):
        load(tmp_path / "none.toml")


def test_not_utf8(tmp_path):
    """A file that is no text says which byte is wrong."""
    (tmp_path / "wasmdeploy.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8 text: byte 8"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = = 2\n", "wasmdeploy.toml:2: not valid TOML: Invalid value (column 5)"),
        ("a = 1\na = 2\n", "wasmdeploy.toml:2: not valid TOML: Cannot overwrite a value (column 6)"),
        ('a = """x\ny', "wasmdeploy.toml:2: not valid TOML: Unterminated string"),
    ],
)
def test_syntax(tmp_path, text, message):
    """What is no TOML is refused with the line."""
    assert refusal(tmp_path, text) == (message, "")


def test_windows_lines(tmp_path):
    """Lines that end as on Windows count the same."""
    message, _ = refusal(tmp_path, SMALL.replace("\n", "\r\n") + "[deploy]\r\ncuont = 1\r\n")
    assert message == "wasmdeploy.toml:11: deploy.cuont: unknown key"


class TestSpin:
    """A Spin app is read as it is."""

    SPIN = "spin_manifest_version = 2\n" + SMALL

    def test_without_settings(self, tmp_path):
        """A spin.toml without deploy settings has the defaults."""
        assert app(tmp_path, self.SPIN, "spin.toml").deploy == Deploy()

    def test_tool_table(self, tmp_path):
        """Its deploy settings stand in application.tool.wasmdeploy; other tools' tables are ignored."""
        text = self.SPIN + "[application.tool.wasmdeploy]\ncount = 3\n[application.tool.other]\nx = 1\n"
        assert app(tmp_path, text, "spin.toml").deploy.count == 3

    def test_tool_table_error(self, tmp_path):
        """An error there names the table as it is written."""
        text = self.SPIN + '[application.tool.wasmdeploy]\ncount = "3"\n'
        message = "spin.toml:12: application.tool.wasmdeploy.count: expected a whole number, got a string"
        assert refusal(tmp_path, text, "spin.toml") == (message, "")

    @pytest.mark.parametrize("name", ["spin.toml", "wasmdeploy.toml", ""])
    def test_beside(self, tmp_path, name):
        """A wasmdeploy.toml beside it may hold the deploy settings, whichever of the two is named."""
        (tmp_path / "spin.toml").write_text(self.SPIN)
        (tmp_path / "wasmdeploy.toml").write_text("[deploy]\ncount = 4\n")
        both = load(tmp_path / name)
        assert (both.name, both.deploy.count, both.path) == ("hello", 4, tmp_path / "spin.toml")

    def test_beside_error(self, tmp_path):
        """An error in the settings beside it names their file."""
        (tmp_path / "wasmdeploy.toml").write_text("[deploy]\n\nlimits = { memory_mb = 300 }\n")
        message = "64 for the executor are more than deploy.memory (256)"
        expected = f"wasmdeploy.toml:3: deploy.limits.memory_mb: 300 and {message}"
        assert refusal(tmp_path, self.SPIN, "spin.toml") == (expected, "set deploy.memory to 364")

    def test_another_app_beside(self, tmp_path):
        """A wasmdeploy.toml that describes an app of its own has no say."""
        (tmp_path / "wasmdeploy.toml").write_text(SMALL + "[deploy]\ncount = 4\n")
        assert app(tmp_path, self.SPIN, "spin.toml").deploy.count == 1

    def test_both(self, tmp_path):
        """Settings in both places are refused."""
        (tmp_path / "wasmdeploy.toml").write_text("[deploy]\n")
        text = self.SPIN + "[application.tool.wasmdeploy]\ncount = 3\n"
        message, hint = refusal(tmp_path, text, "spin.toml")
        assert message.startswith("spin.toml:11: application.tool.wasmdeploy: deploy settings also stand in ")
        assert hint == "keep one of the two"

    def test_version_is_required(self, tmp_path):
        """A spin.toml says which version it is."""
        assert refusal(tmp_path, SMALL, "spin.toml")[0] == "spin.toml:1: spin_manifest_version: missing"

    def test_version_1(self, tmp_path):
        """Another version than 2 cannot be read."""
        text = self.SPIN.replace("= 2", "= 1", 1)
        message = "spin.toml:1: spin_manifest_version: only version 2 can be read, this is 1"
        assert refusal(tmp_path, text, "spin.toml") == (message, "")

    def test_deploy_table(self, tmp_path):
        """`[deploy]` is no table of Spin's."""
        message = ("spin.toml:11: deploy: unknown key", "a spin.toml has [application.tool.wasmdeploy]")
        assert refusal(tmp_path, self.SPIN + "[deploy]\n", "spin.toml") == message

    def test_tool_table_in_own_manifest(self, tmp_path):
        """The other way round: in a wasmdeploy.toml the settings stand under [deploy]."""
        text = SMALL + "[application.tool.wasmdeploy]\ncount = 3\n"
        hint = "write the settings of a wasmdeploy.toml under [deploy]"
        assert refusal(tmp_path, text) == ("wasmdeploy.toml:10: application.tool.wasmdeploy: misplaced", hint)

    def test_tool_is_no_table(self, tmp_path):
        """A tool key that is no table is one clear error."""
        text = self.SPIN.replace('name = "hello"', 'name = "hello"\ntool = 3')
        message = "spin.toml:4: application.tool: expected a table, got a whole number"
        assert refusal(tmp_path, text, "spin.toml") == (message, "")


def test_limits_of_a_component(tmp_path):
    """A component's own limits take the place of the app's, one by one."""
    own = '[component.web.limits]\ntimeout = "5s"\nfuel = 7\n'
    read = app(tmp_path, SMALL + own + '[deploy.limits]\ntimeout = "9s"\nconcurrency = 3\n')
    assert (read.limits.timeout, read.limits.concurrency, read.limits.fuel) == ("9s", 3, 0)
    limits = read.component_limits("web")
    assert (limits.timeout, limits.concurrency, limits.fuel) == ("5s", 3, 7)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("memory_mb = 500", "component.web.limits.memory_mb: 500 and 64 for the executor are more than"),
        ("queue = 5", "component.web.limits.queue: all components wait in one queue"),
        ("fuel = -1", "component.web.limits.fuel: must be at least 0, is -1"),
        ('cpu_time = "soon"', "component.web.limits.cpu_time: 'soon' is no duration"),
    ],
)
def test_wrong_limits(tmp_path, limit, message):
    """A limit that cannot be kept is one error at its line."""
    assert message in refusal(tmp_path, f"{SMALL}[component.web.limits]\n{limit}\n")[0]
