"""HTTPS, and Nomad's own catalogue, at a Traefik that is set up for them."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.load import steady
from tests.e2e.sample import Sample
from tests.e2e.world import World, eventually
from tests.stack import build
from wasmdeploy_cli.stack.ports import free_now

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

CONFIG = """
global:
  checkNewVersion: false
  sendAnonymousUsage: false
entryPoints:
  web: {{ address: "127.0.0.1:{web}" }}
  websecure: {{ address: "127.0.0.1:{secure}" }}
providers:
  consulCatalog:
    exposedByDefault: false
    refreshInterval: 1s
    endpoint: {{ address: "{consul}", scheme: http }}
  nomad:
    exposedByDefault: false
    refreshInterval: 1s
    endpoint: {{ address: "{nomad}" }}
"""


@dataclass(frozen=True)
class Traefik:
    """A Traefik with both providers and both entry points."""

    web: str
    secure: str


@pytest.fixture(scope="module")
def traefik(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traefik]:
    """It runs beside the stack's own."""
    directory, is_free = tmp_path_factory.mktemp("traefik"), free_now()
    web, secure = [port for port in range(23000, 23100) if is_free(port)][:2]
    stack = world.stack
    config = directory / "traefik.yaml"
    consul = stack.consul_addr.removeprefix("http://")
    config.write_text(CONFIG.format(web=web, secure=secure, consul=consul, nomad=stack.nomad_addr))
    with (directory / "log").open("wb") as log, subprocess.Popen(
        [build.ensure() / "traefik", f"--configFile={config}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
    ) as process:  # fmt: skip
        try:
            yield Traefik(f"http://127.0.0.1:{web}", f"https://127.0.0.1:{secure}")
        finally:
            process.terminate()


def status(url: str, host: str) -> int:
    """The status that a host name gets, 0 for no connection; Traefik's own certificate will do."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return httpx.get(url, headers={"host": host}, verify=context, timeout=60).status_code
    except httpx.HTTPError:
        return 0


def test_https_with_a_redirect(world: World, traefik: Traefik, tmp_path: Path) -> None:
    """HTTPS answers, HTTP leads there, and canaries have both as well."""
    sample = Sample(tmp_path, "secure", deploy={"host": '"secure.localhost"', "tls": "true"})
    # The stack's own Traefik has no entry point for HTTPS, only the redirect: that is route enough.
    done = world.cli("deploy", sample.write())
    try:
        assert "https://secure.localhost/" in world.cli("status", tmp_path, "--json").stdout or done.stdout
        eventually("HTTPS answers", lambda: status(traefik.secure, "secure.localhost") == 200)
        moved = httpx.get(f"{traefik.web}/orders?page=2", headers={"host": "secure.localhost"}, timeout=60)
        assert (moved.status_code, moved.headers["location"]) == (
            301,
            "https://secure.localhost/orders?page=2",
        )
        sample.version = "2"
        world.cli("deploy", sample.write(), "--canary", "1")
        eventually("the canary answers", lambda: status(traefik.secure, "canary.secure.localhost") == 200)
        assert status(traefik.web, "canary.secure.localhost") == 301
    finally:
        world.cli("destroy", tmp_path)


def test_nomads_own_catalogue(world: World, traefik: Traefik, tmp_path: Path) -> None:
    """Without Consul an app is routed, deployed anew and rolled back without a failed request."""
    sample = Sample(tmp_path, "native", deploy={"host": '"native.localhost"', "catalog": '"nomad"'})
    env = {"TRAEFIK_ADDR": traefik.web, "NOMAD_ADDR": world.stack.nomad_addr}
    world.cli("deploy", sample.write(), **env)
    try:
        assert "native" not in world.services()
        assert status(traefik.web, "native.localhost") == 200
        with steady(traefik.web, "native.localhost", rate=60) as load:
            sample.version = "2"
            world.cli("deploy", sample.write(), **env)
            world.cli("rollback", "--manifest", tmp_path, **env)
        assert load.failures == []
        assert load.sent > 300
        sample.version = "3"
        world.cli("deploy", sample.write(), "--canary", "1", **env)
        assert status(traefik.web, "canary.native.localhost") == 200
    finally:
        world.cli("destroy", tmp_path, **env)
    eventually("its route is gone", lambda: status(traefik.web, "native.localhost") == 404)
