"""BasePlugin and the schemas it hands out."""

import grpc  # Nomad's side of the connection
import msgpack
import pytest

from tests.driver.plugin_process import TIMEOUT, nomad_config, plugin_process
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.launch import VaultServer
from wasmdeploy_driver.plugin.config import PluginConfig, Vault
from wasmdeploy_driver.plugin.proto import base_pb2
from wasmdeploy_driver.plugin.spec import spec_of
from wasmdeploy_driver.schema import decode, encode, entries
from wasmdeploy_driver.task import Component, Dir, Http, Limits, Task, Variable


@pytest.fixture(scope="module")
def plugin():
    with plugin_process() as started:
        yield started


def test_plugin_info(plugin):
    """The plugin is the driver `wasm` of API v0.1.0."""
    info = plugin.base.PluginInfo(base_pb2.PluginInfoRequest(), timeout=TIMEOUT)
    assert (info.type, info.name, list(info.plugin_api_versions)) == (base_pb2.DRIVER, "wasm", ["v0.1.0"])
    assert info.plugin_version


def test_config_schema_lists_every_setting(plugin):
    """The agent's `plugin` block knows every setting."""
    spec = plugin.base.ConfigSchema(base_pb2.ConfigSchemaRequest(), timeout=TIMEOUT).spec
    assert set(spec.object.attributes) == {entry.name for entry in entries(PluginConfig)}
    assert (
        spec.object.attributes["vault"].block_value.nested.object.attributes["address"].Attr.type == "string"
    )


def test_set_config_without_nomads_part_changes_nothing(plugin, tmp_path):
    """Nomad checks the configuration in throw-away processes: nothing is created then."""
    config = msgpack.packb({"data_dir": str(tmp_path / "data"), "allow_paths": None, "vault": None})
    plugin.base.SetConfig(base_pb2.SetConfigRequest(msgpack_config=config), timeout=TIMEOUT)
    plugin.base.SetConfig(base_pb2.SetConfigRequest(), timeout=TIMEOUT)
    assert not (tmp_path / "data").exists()


def test_wrong_config_is_refused(plugin):
    """A wrong type is one line that names the key."""
    config = msgpack.packb({"data_dir": 7})
    with pytest.raises(grpc.RpcError) as caught:
        plugin.base.SetConfig(base_pb2.SetConfigRequest(msgpack_config=config), timeout=TIMEOUT)
    assert caught.value.details() == "plugin config.data_dir: expected string, got int"


@pytest.mark.parametrize("config", [{"data_dir": "data"}, {"allow_paths": ["/srv/../etc"]}])
def test_path_that_depends_on_the_agent_is_refused(plugin, config):
    """Paths are absolute and say where they lead."""
    request = base_pb2.SetConfigRequest(msgpack_config=msgpack.packb(config))
    with pytest.raises(grpc.RpcError, match="is not an absolute path"):
        plugin.base.SetConfig(request, timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"executor": "clone"}, "executor is 'clone', which is neither"),
        ({"log_collection": "none"}, "log_collection is 'none', which is neither"),
        ({"engines": ["in-process", "v8"]}, "engines: 'v8' is neither"),
        ({"cache": {"max_size": 0}}, "cache.max_size must be at least 1"),
        ({"cache": {"dir": "cache"}}, "'cache' is not an absolute path"),
        ({"log_file": "../log"}, "is not an absolute path"),
        ({"stats_interval": "often"}, "stats_interval: 'often' is no duration"),
        ({"max_limits": {"file_mb": -1}}, "max_limits.file_mb: -1 is negative"),
        ({"max_limits": {"processes": 8}}, "max_limits.processes: 8 is not 64 to 4194304"),
        ({"logs": {"max_files": 0}}, "logs.max_files must be at least 1"),
        ({"logs": {"max_file_size": -1}}, "logs.max_file_size must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(plugin, config, words):
    """A choice that is none, or a number that makes no sense, is one line that names the key."""
    request = base_pb2.SetConfigRequest(msgpack_config=msgpack.packb(config))
    with pytest.raises(grpc.RpcError, match=words):
        plugin.base.SetConfig(request, timeout=TIMEOUT)


def test_vault_address_falls_back_to_the_agents():
    """What the block leaves out comes from the agent's environment."""
    agent = {"VAULT_ADDR": "http://agent:8200", "VAULT_NAMESPACE": "team"}
    assert PluginConfig().vault_server(agent) == VaultServer("http://agent:8200", namespace="team")
    configured = PluginConfig(vault=Vault(address="http://own:8200"))
    assert configured.vault_server(agent) == VaultServer("http://own:8200", namespace="team")
    assert PluginConfig().vault_server({}) is None
    agent |= {
        "VAULT_CAPATH": "/ca",
        "VAULT_CLIENT_CERT": "/c",
        "VAULT_CLIENT_KEY": "/k",
        "VAULT_TLS_SERVER_NAME": "v",
    }
    assert PluginConfig(vault=Vault(client_cert="/own")).vault_server(agent) == VaultServer(
        "http://agent:8200", "team", ca_cert="/ca", client_cert="/own", client_key="/k", tls_server_name="v"
    )


def test_task_spec_has_nomads_shapes():
    """Maps are lists of maps, labelled blocks are block maps, plain blocks are lists or single."""
    attributes = spec_of(Task).object.attributes
    assert attributes["env"].Attr.type == "list(map(string))"
    assert attributes["args"].Attr.type == "list(string)"
    assert attributes["component"].block_map.labels == ["name"]
    assert attributes["dir"].block_list.nested.object.attributes["host"].Attr.required
    assert attributes["limits"].block_value.nested.object.attributes["memory_mb"].Attr.type == "number"
    assert "name" not in attributes["component"].block_map.nested.object.attributes


def test_task_survives_msgpack():
    """A task encoded as Nomad encodes it, with every absent key as nil, decodes to itself."""
    task = Task(
        app="shop", env={"A": "a${b"}, http=Http("web"), limits=Limits(64, "1m"),
        component=(Component("api", "local/api.wasm", route=("/api/...",), dir=(Dir("a", "/a", True),)),),
        variable=(Variable("plain", "v"), Variable("hidden", secret=True, vault="secret/x#y")),
    )  # fmt: skip
    packed = msgpack.packb(nomad_config(encode(task)))
    assert decode(Task, msgpack.unpackb(packed), "config") == task


def test_unknown_key_is_named():
    """A key that is not in the spec cannot pass silently."""
    with pytest.raises(ConfigError, match="unknown key 'modul'"):
        decode(Task, nomad_config({"modul": "x"}), "config")
