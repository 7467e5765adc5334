"""Traefik's configuration and names, decided without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.manifest.sample import SMALL, app
from tests.cli.server import serving
from wasmdeploy_cli.doctor.api import Api
from wasmdeploy_cli.doctor.diagnose import shutdown_delay
from wasmdeploy_cli.doctor.traefik import dns_finding, provider_findings, refresh_finding
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_cli.stack import config
from wasmdeploy_cli.stack.directory import Directory

JOB = Path(__file__).parents[3] / "jobspecs" / "traefik.nomad.hcl"


@pytest.mark.parametrize(
    ("configuration", "severity"),
    [
        ("providers:\n  consulCatalog:\n    refreshInterval: 1s\n", "ok"),
        ('["--providers.consulcatalog.refreshinterval=500ms"]', "ok"),
        ('{"templates": ["[providers.nomad]\\n  refreshInterval = \\"2s\\""]}', "ok"),
        ("refreshInterval: 5s", "error"),
        ("refreshInterval: 1m30s", "error"),
        ("providers:\n  consulCatalog: {}", "error"),
        (JOB.read_text(), "ok"),
    ],
    ids=["yaml", "argument", "toml-in-json", "as-long", "longer", "default", "ours"],
)
def test_refresh(configuration: str, severity: str) -> None:
    """Traefik must look more often than instances take to leave; what it does by default is too seldom."""
    assert refresh_finding(configuration, 5).severity == severity


@pytest.mark.parametrize(("catalog", "severity"), [("consul", "ok"), ("nomad", "error")])
def test_a_stack_without_dashboard(tmp_path: Path, catalog: str, severity: str) -> None:
    """Its API is off; which catalogue it reads stands in its configuration."""
    ports = dict.fromkeys(("traefik.web", "traefik.admin", "consul.http"), 1)
    configuration = config.traefik(Directory(tmp_path, "id"), ports, config.Features())
    shop = app(tmp_path, f'{SMALL}[deploy]\nhost = "shop.localhost"\ncatalog = "{catalog}"\n')
    with serving() as server:
        server.status = 404
        api = Api(Settings(nomad="", traefik_api=server.url, traefik_config=configuration))
        (finding,) = provider_findings(api, shop)
    assert (finding.check, finding.severity) == ("traefik provider", severity)


def test_names() -> None:
    """A name that nobody resolves is a warning; names of this machine need none."""
    finding = dns_finding("no-such-name.invalid", "10.0.0.1")
    assert finding is not None
    assert (finding.severity, "10.0.0.1" in finding.fix) == ("warning", True)
    assert dns_finding("shop.localhost", "") is None


@pytest.mark.parametrize("catalog", ["consul", "nomad"])
def test_how_long_an_instance_stays(tmp_path: Path, catalog: str) -> None:
    """Whichever catalogue has the service: the delay is the group's or the task's."""
    assert shutdown_delay(app(tmp_path, f'{SMALL}[deploy]\ncatalog = "{catalog}"\n')) == 5
