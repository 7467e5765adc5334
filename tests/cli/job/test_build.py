import dataclasses
import json

import pytest

from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.job import Artifacts, build_job

DIGEST = "a1" * 32
NODES = Artifacts({"web": f"sha256:{DIGEST}"}, "/srv/wasm/")


@pytest.fixture
def hello(tmp_path):
    return app(tmp_path)


def deployed(app, **settings):
    return dataclasses.replace(app, deploy=dataclasses.replace(app.deploy, **settings))


def task_of(job):
    return job["TaskGroups"][0]["Tasks"][0]


def test_whole_job(hello):
    """The job of a small app, to the last key."""
    job = build_job(hello, NODES, revision="7", tool_version="1.2")
    meta = job.pop("Meta")
    assert meta == {"digest": meta["digest"], "revision": "7", "wasmdeploy_version": "1.2"}
    seconds = 1_000_000_000
    assert job == {
        "ID": "hello",
        "Name": "hello",
        "Type": "service",
        "Region": "global",
        "Namespace": "default",
        "Datacenters": ["*"],
        "UI": {"Description": "hello, a WebAssembly app"},
        "Update": {
            "Canary": 1,
            "MaxParallel": 1,
            "AutoPromote": True,
            "AutoRevert": True,
            "HealthCheck": "checks",
            "MinHealthyTime": 5 * seconds,
            "HealthyDeadline": 180 * seconds,
            "ProgressDeadline": 0,
        },
        "TaskGroups": [
            {
                "Name": "hello",
                "Count": 1,
                "ShutdownDelay": 5 * seconds,
                "RestartPolicy": {
                    "Attempts": 3,
                    "Interval": 120 * seconds,
                    "Delay": 2 * seconds,
                    "Mode": "fail",
                },
                "ReschedulePolicy": {
                    "Delay": 5 * seconds,
                    "DelayFunction": "exponential",
                    "MaxDelay": 300 * seconds,
                    "Unlimited": True,
                },
                "Networks": [{"DynamicPorts": [{"Label": "http"}]}],
                "Services": [
                    {
                        "Name": "hello",
                        "Provider": "consul",
                        "PortLabel": "http",
                        "Checks": [
                            {
                                "Type": "http",
                                "Path": "/.well-known/wasmdeploy/health",
                                "Interval": 2 * seconds,
                                "Timeout": 2 * seconds,
                            }
                        ],
                    }
                ],
                "Tasks": [
                    {
                        "Name": "hello",
                        "Driver": "wasm",
                        "Config": {
                            "app": "hello",
                            "http": [{}],
                            "component": [
                                {
                                    "web": [
                                        {
                                            "source": f"/srv/wasm/{DIGEST}.wasm",
                                            "digest": f"sha256:{DIGEST}",
                                            "route": ["/..."],
                                        }
                                    ]
                                }
                            ],
                            "limits": [{"memory_mb": 192}],
                        },
                        "KillTimeout": 30 * seconds,
                        "Resources": {"CPU": 100, "MemoryMB": 256},
                    }
                ],
            }
        ],
    }


def test_update_covers_every_instance(hello):
    """There are as many canaries as instances."""
    job = build_job(deployed(hello, count=3), NODES)
    assert (job["TaskGroups"][0]["Count"], job["Update"]["Canary"], job["Update"]["MaxParallel"]) == (3, 3, 3)


def test_downloads(hello):
    """Nodes download components by digest, and Nomad checks it."""
    job = build_job(
        deployed(hello, artifacts="https://a.example/wasm/"), dataclasses.replace(NODES, component_dir="")
    )
    assert task_of(job)["Artifacts"] == [
        {
            "GetterSource": f"https://a.example/wasm/{DIGEST}.wasm",
            "GetterMode": "file",
            "GetterOptions": {"checksum": f"sha256:{DIGEST}"},
            "RelativeDest": "local/web.wasm",
        }
    ]
    assert task_of(job)["Config"]["component"][0]["web"][0]["source"] == "local/web.wasm"


def test_directory_goes_before_downloads(hello):
    """A directory that is named when deploying wins over the manifest's URL."""
    assert "Artifacts" not in task_of(build_job(deployed(hello, artifacts="https://a.example"), NODES))


def test_vault_only_with_secrets(tmp_path):
    """An app with secrets gets a token that only the executor can reach; others get none."""
    text = SMALL + "[variables]\nkey = { secret = true }\n[deploy.vault]\nrole = 'r'\n"
    job = build_job(app(tmp_path, text), NODES)
    assert task_of(job)["Vault"] == {"ChangeMode": "noop", "Env": False, "DisableFile": True, "Role": "r"}
    assert "Vault" not in task_of(build_job(app(tmp_path), NODES))


def test_free_text_stays_out_of_env(tmp_path):
    """Nothing of the manifest becomes a Nomad environment variable, which Nomad would interpolate."""
    job = build_job(app(tmp_path, SMALL + "environment = { A = '${NOMAD_TASK_NAME}' }\n"), NODES)
    assert "Env" not in task_of(job)
    assert task_of(job)["Config"]["component"][0]["web"][0]["environment"] == [{"A": "$${NOMAD_TASK_NAME}"}]


def test_same_arguments_same_job(hello):
    """The job is the same to the byte; its digest follows components and settings, not meta's names."""
    assert json.dumps(build_job(hello, NODES)) == json.dumps(build_job(hello, NODES))
    digest = build_job(hello, NODES)["Meta"]["digest"]
    assert build_job(hello, NODES, revision="2", tool_version="3")["Meta"]["digest"] == digest
    assert (
        build_job(hello, Artifacts({"web": "sha256:" + "b2" * 32}, "/srv/wasm"))["Meta"]["digest"] != digest
    )
    assert build_job(deployed(hello, cpu=200), NODES)["Meta"]["digest"] != digest


@pytest.mark.parametrize(
    ("artifacts", "message"),
    [
        (
            Artifacts({"web": f"sha256:{DIGEST}"}),
            "wasmdeploy.toml does not say where nodes find the components",
        ),
        (Artifacts({"web": f"sha256:{DIGEST}"}, "wasm"), "component directory 'wasm' is not absolute"),
        (Artifacts({}, "/srv"), "component 'web' has no sha256 digest"),
        (Artifacts({"web": "md5:1"}, "/srv"), "component 'web' has no sha256 digest"),
    ],
)
def test_artifacts_that_do_not_fit(hello, tmp_path, artifacts, message):
    """A job without components, or without a place to find them, is refused."""
    with pytest.raises(ConfigError) as caught:
        build_job(hello, artifacts)
    assert caught.value.message.removeprefix(f"{tmp_path}/") == message


def test_an_app_of_another_engine(tmp_path):
    """Where the executor does not answer, the check is of the port, unless the guest has a path for it."""
    external = app(tmp_path, SMALL + 'engine = "wasmtime"\n')
    (check,) = build_job(external, NODES)["TaskGroups"][0]["Services"][0]["Checks"]
    assert (check["Type"], "Path" in check) == ("tcp", False)
    (check,) = build_job(deployed(external, health_path="/up"), NODES)["TaskGroups"][0]["Services"][0][
        "Checks"
    ]
    assert (check["Type"], check["Path"]) == ("http", "/up")
    assert task_of(build_job(external, NODES))["Config"]["component"][0]["web"][0]["engine"] == "wasmtime"
