import re
import ssl
from pathlib import Path

import pytest

from wasmdeploy_cli.deployment.consul import Consul
from wasmdeploy_cli.doctor.api import Api
from wasmdeploy_cli.doctor.nomad import nomad_findings
from wasmdeploy_cli.errors import ClusterError, ConfigError, SecretError
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_cli.nomad.settings import from_environment, settings, vault_settings
from wasmdeploy_cli.nomad.tls import Tls
from wasmdeploy_cli.stack.state import StackState
from wasmdeploy_cli.vault import Vault
from wasmdeploy_driver.secrets import Secret


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home directory without a Vault token."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def test_only_nomad():
    """With NOMAD_ADDR alone, nothing else is known."""
    found = from_environment({"NOMAD_ADDR": "http://nomad:4646/"})
    assert (found.nomad, found.consul, found.vault, found.traefik, found.components) == (
        "http://nomad:4646",
        "",
        "",
        "",
        None,
    )
    assert (found.nomad_token.reveal(), found.nomad_tls, found.local) == ("", Tls(), False)


def test_everything():
    """The variables of HashiCorp's own tools are read, tokens wrapped."""
    found = settings(
        {
            "NOMAD_ADDR": "https://nomad",
            "NOMAD_TOKEN": "n-secret",
            "NOMAD_CACERT": "/ca",
            "NOMAD_CLIENT_CERT": "/c",
            "NOMAD_CLIENT_KEY": "/k",
            "CONSUL_HTTP_ADDR": "https://consul/",
            "CONSUL_HTTP_TOKEN": "c-secret",
            "VAULT_ADDR": "https://vault/",
            "VAULT_TOKEN": "v-secret",
            "VAULT_NAMESPACE": "team",
            "VAULT_SKIP_VERIFY": "TRUE",
            "TRAEFIK_ADDR": "http://traefik/",
            "WASMDEPLOY_COMPONENT_DIR": "/shared",
        }
    )
    assert found.nomad_tls == Tls("/ca", ("/c", "/k"))
    assert (found.consul, found.vault, found.vault_namespace) == ("https://consul", "https://vault", "team")
    assert found.vault_tls == Tls(False)
    assert (found.traefik, found.components) == ("http://traefik", Path("/shared"))
    tokens = [token.reveal() for token in (found.nomad_token, found.consul_token, found.vault_token)]
    assert tokens == ["n-secret", "c-secret", "v-secret"]
    assert "secret" not in repr(found).replace("secrets", "")


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"CONSUL_HTTP_ADDR": "127.0.0.1:8500"}, "http://127.0.0.1:8500"),
        ({"CONSUL_HTTP_ADDR": "c:8501", "CONSUL_HTTP_SSL": "true"}, "https://c:8501"),
        ({"CONSUL_HTTP_ADDR": "http://c:8500", "CONSUL_HTTP_SSL": "true"}, "http://c:8500"),
        ({"CONSUL_HTTP_SSL": "true"}, ""),
    ],
)
def test_consuls_address(variables, address):
    """Consul's address may come without a scheme, as Consul's own tools take it."""
    assert from_environment({"NOMAD_ADDR": "http://n", **variables}).consul == address


def test_the_token_that_vault_login_left(home):
    """Without VAULT_TOKEN, the token of `vault login` is used."""
    (home / ".vault-token").write_text("left\n")
    assert from_environment({"NOMAD_ADDR": "http://x"}).vault_token.reveal() == "left"
    assert (
        from_environment({"NOMAD_ADDR": "http://x", "VAULT_TOKEN": "given"}).vault_token.reveal() == "given"
    )


@pytest.mark.parametrize(
    "given", ["NOMAD_CLIENT_CERT", "NOMAD_CLIENT_KEY", "CONSUL_CLIENT_KEY", "VAULT_CLIENT_CERT"]
)
def test_half_a_certificate(given):
    """A client certificate without its key, or the other way round, is an error."""
    with pytest.raises(ConfigError, match="belong together"):
        from_environment({"NOMAD_ADDR": "http://x", given: "/file"})


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize("client", [True, False])
def test_certificates_that_cannot_be_used(tmp_path, content, client):
    """A certificate that is missing or broken is an error that names it."""
    file = tmp_path / "certificate.pem"
    if content is not None:
        file.write_text(content)
    tls = Tls(cert=(str(file), str(file))) if client else Tls(str(file))
    with pytest.raises(ConfigError, match=r"certificate\.pem"):
        tls.context()


def test_checks_are_on_unless_said():
    """Certificates are checked unless the environment says not to."""
    assert Tls().context().verify_mode is ssl.CERT_REQUIRED
    assert Tls(False).context().verify_mode is ssl.CERT_NONE


def test_the_rest_of_the_usual_variables(tmp_path):
    """Server names, CA directories, token files, namespaces and proxies' passwords are read as usual."""
    (tmp_path / "token").write_text("c-secret\n")
    found = from_environment(
        {
            "NOMAD_ADDR": "https://n",
            "NOMAD_CAPATH": "/cas",
            "NOMAD_TLS_SERVER_NAME": "server.global.nomad",
            "NOMAD_NAMESPACE": "prod",
            "NOMAD_REGION": "eu",
            "NOMAD_HTTP_AUTH": "me:p",
            "CONSUL_HTTP_ADDR": "c:8501",
            "CONSUL_HTTP_SSL": "1",
            "CONSUL_HTTP_SSL_VERIFY": "false",
            "CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "token"),
            "CONSUL_NAMESPACE": "team",
        }
    )
    assert found.nomad_tls == Tls("/cas", None, "server.global.nomad")
    assert found.nomad_tls.extensions == {"sni_hostname": "server.global.nomad"}
    assert (found.nomad_namespace, found.nomad_region) == ("prod", "eu")
    assert found.nomad_headers == {"Authorization": "Basic bWU6cA=="}
    assert found.consul_tls == Tls(False)
    assert found.consul_headers == {"X-Consul-Token": "c-secret", "X-Consul-Namespace": "team"}
    assert "secret" not in repr(found).replace("secrets", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOMAD_ADDR", "nomad:4646"),
        ("VAULT_ADDR", "unix:///v"),
        ("CONSUL_HTTP_ADDR", "unix:///c"),
        ("TRAEFIK_ADDR", "x"),
        ("NOMAD_ADDR", "http://"),
        ("NOMAD_ADDR", "http://nomad:port"),
        ("NOMAD_ADDR", "http://nomad:99999"),
        ("NOMAD_ADDR", "http://no mad"),
        ("NOMAD_ADDR", "http://nomad/?region=eu"),
        ("CONSUL_HTTP_ADDR", "consul:x"),
    ],
)
def test_addresses_that_are_none(name, value):
    """An address that is no HTTP URL is refused by the name of its variable."""
    with pytest.raises(ConfigError, match=re.escape(f"{name}={value}: no http")):
        from_environment({"NOMAD_ADDR": "http://n", name: value})


def test_empty_is_not_set(monkeypatch):
    """As for HashiCorp's own tools, a variable that is empty says nothing."""
    monkeypatch.setattr("wasmdeploy_cli.stack.state.current", lambda: None)
    empty = dict.fromkeys(("NOMAD_ADDR", "CONSUL_HTTP_ADDR", "VAULT_ADDR", "TRAEFIK_ADDR"), "")
    found = settings(empty)
    assert found == settings({})
    assert found.nomad == "http://127.0.0.1:4646"
    assert vault_settings({**empty, "VAULT_ADDR": "http://v"}).nomad == found.nomad


def test_a_token_file_that_cannot_be_read(tmp_path):
    """A token file that was named must be there."""
    with pytest.raises(ConfigError, match="CONSUL_HTTP_TOKEN_FILE"):
        from_environment({"NOMAD_ADDR": "http://n", "CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "gone")})


def test_what_runs_here_asks_the_named_vault(home):
    """VAULT_ADDR alone names a Vault for `up`, with the token of `vault login`; without it the cluster's is asked."""
    (home / ".vault-token").write_text("left")
    found = vault_settings({"VAULT_ADDR": "https://v", "VAULT_NAMESPACE": "team"})
    assert (found.vault, found.vault_token.reveal(), found.vault_namespace) == ("https://v", "left", "team")
    assert vault_settings({"NOMAD_ADDR": "http://n"}).vault == ""


NOWHERE = ("http://127.0.0.1:1", "http://localhost:1", "http://127.0.0.2:1", "http://127.0.0.3:1")


@pytest.fixture
def local(monkeypatch):
    """A local stack of which nothing answers."""
    nomad, consul, vault, traefik = NOWHERE
    state = StackState(nomad, consul, vault, Secret("root"), traefik, "", "", Path("/c"), Path("/d"))
    monkeypatch.setattr("wasmdeploy_cli.stack.state.current", lambda: state)


def _hints(found):
    with pytest.raises(ClusterError) as of_consul:
        Consul(found).leader()
    with pytest.raises(SecretError) as of_vault:
        Vault(found).token()
    return nomad_findings(Api(found), None)[0].fix, of_consul.value.hint, of_vault.value.hint


def test_what_mends_the_local_stack(local):
    """A variable that nobody has set is not told to be checked, one that names another program is."""
    status, mending = "look at: wasmdeploy stack status", "start what has crashed: wasmdeploy stack up"
    nomad, consul, vault, _ = NOWHERE
    assert _hints(settings({})) == (status, mending, mending)
    named = {"NOMAD_ADDR": nomad, "CONSUL_HTTP_ADDR": consul, "VAULT_ADDR": vault}
    assert _hints(settings(named)) == (status, mending, mending)
    elsewhere = {"NOMAD_ADDR": nomad, "CONSUL_HTTP_ADDR": "127.0.0.4:1", "VAULT_ADDR": "http://127.0.0.4:1"}
    assert _hints(settings(elsewhere)) == (
        status, "check CONSUL_HTTP_ADDR, and that it runs", "check VAULT_ADDR, and that it runs",
    )  # fmt: skip


def test_what_mends_a_nomad_that_does_not_answer(monkeypatch):
    """One that was named is checked; where none is, a local one can be started."""
    monkeypatch.setattr("wasmdeploy_cli.stack.state.current", lambda: None)
    assert settings({"NOMAD_ADDR": "http://nomad:4646"}).nomad_hint == "check NOMAD_ADDR, and that it runs"
    assert settings({}).nomad_hint == "start a local one with: wasmdeploy stack up; or set NOMAD_ADDR"
    assert nomad_findings(Api(Settings(NOWHERE[0])), None)[0].fix == "check NOMAD_ADDR, and that it runs"
