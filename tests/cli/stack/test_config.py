"""The members' configuration files, character by character."""

from pathlib import Path

from wasmdeploy_cli.stack import config
from wasmdeploy_cli.stack.config import Features
from wasmdeploy_cli.stack.directory import Directory
from wasmdeploy_cli.stack.ports import wanted

DIRECTORY = Directory(Path("/srv/my stack"), "0123")
PORTS = wanted(2)


def test_consul() -> None:
    """Consul is a lone server on loopback that opens only the ports it was given."""
    assert (
        config.consul(DIRECTORY, PORTS)
        == """\
node_name            = "wasmdeploy"
data_dir             = "/srv/my stack/consul"
server               = true
bootstrap_expect     = 1
bind_addr            = "127.0.0.1"
advertise_addr       = "127.0.0.1"
client_addr          = "127.0.0.1"
disable_update_check = true

ports {
  http     = 8500
  server   = 8300
  serf_lan = 8301
  serf_wan = -1
  dns      = -1
  grpc     = -1
  grpc_tls = -1
}

performance {
  raft_multiplier = 1
}

ui_config {
  enabled = true
}
"""
    )


def test_another_clients_consul() -> None:
    """Each client beyond the first has an agent of its own, which joins the server."""
    assert (
        config.consul_agent(DIRECTORY, PORTS, 2)
        == """\
node_name            = "wasmdeploy-2"
data_dir             = "/srv/my stack/consul-2"
server               = false
retry_join           = ["127.0.0.1:8301"]
bind_addr            = "127.0.0.1"
advertise_addr       = "127.0.0.1"
client_addr          = "127.0.0.1"
disable_update_check = true

ports {
  http     = 8510
  serf_lan = 8311
  serf_wan = -1
  dns      = -1
  grpc     = -1
  grpc_tls = -1
}
"""
    )


def test_vault() -> None:
    """Vault stores with raft, so that secrets outlive the process."""
    assert (
        config.vault(DIRECTORY, PORTS)
        == """\
api_addr      = "http://127.0.0.1:8200"
cluster_addr  = "http://127.0.0.1:8201"
disable_mlock = true
ui            = true

storage "raft" {
  path                   = "/srv/my stack/vault"
  node_id                = "wasmdeploy"
  performance_multiplier = 1
}

listener "tcp" {
  address         = "127.0.0.1:8200"
  cluster_address = "127.0.0.1:8201"
  tls_disable     = true
}
"""
    )


def test_nomad_server() -> None:
    """The server gives every task that asks for it an identity for Vault."""
    assert (
        config.nomad(DIRECTORY, PORTS)
        == """\
name                 = "wasmdeploy"
data_dir             = "/srv/my stack/nomad"
bind_addr            = "127.0.0.1"
disable_update_check = true

ports {
  http = 4646
  rpc  = 4647
  serf = 4648
}

advertise {
  http = "127.0.0.1"
  rpc  = "127.0.0.1"
  serf = "127.0.0.1"
}

server {
  enabled          = true
  bootstrap_expect = 1
}

consul {
  address = "127.0.0.1:8500"
}

vault {
  enabled               = true
  address               = "http://127.0.0.1:8200"
  jwt_auth_backend_path = "jwt-nomad"
  create_from_role      = "nomad-workloads"
  default_identity {
    aud = ["vault.io"]
    ttl = "1h"
  }
}

telemetry {
  collection_interval        = "1s"
  publish_allocation_metrics = true
  publish_node_metrics       = true
  prometheus_metrics         = true
}
"""
    )


def test_nomad_client() -> None:
    """A client has its own data, ports and driver block."""
    assert (
        config.client(DIRECTORY, PORTS, 2, Features(clients=2))
        == """\
name                 = "client-2"
data_dir             = "/srv/my stack/client-2"
plugin_dir           = "/srv/my stack/plugins"
bind_addr            = "127.0.0.1"
disable_update_check = true

ports {
  http = 4666
}

advertise {
  http = "127.0.0.1"
  rpc  = "127.0.0.1"
  serf = "127.0.0.1"
}

client {
  enabled           = true
  servers           = ["127.0.0.1:4647"]
  alloc_mounts_dir  = "/srv/my stack/client-2/alloc_mounts"
  network_interface = "lo"
  cni_path          = "/opt/cni/bin:/usr/lib/cni:/srv/my stack/cni/bin"
  cni_config_dir    = "/srv/my stack/cni/config"
  min_dynamic_port  = 20400
  max_dynamic_port  = 20799
  options = {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
  }
}

consul {
  address = "127.0.0.1:8510"
}

vault {
  enabled               = true
  address               = "http://127.0.0.1:8200"
  jwt_auth_backend_path = "jwt-nomad"
  create_from_role      = "nomad-workloads"
  default_identity {
    aud = ["vault.io"]
    ttl = "1h"
  }
}

telemetry {
  collection_interval        = "1s"
  publish_allocation_metrics = true
  publish_node_metrics       = true
  prometheus_metrics         = true
}

plugin "raw_exec" {
  config {
    enabled = false
  }
}

plugin "nomad-driver-wasm" {
  config {
    data_dir    = "/srv/my stack/client-2-wasm"
    allow_paths = ["/srv/my stack/components"]
    vault {
      address = "http://127.0.0.1:8200"
    }
  }
}
"""
    )


def test_without_driver() -> None:
    """A stack without the driver names no plugin that Nomad would miss."""
    text = config.client(DIRECTORY, PORTS, 1, Features(driver=False, raw_exec=True))
    assert "nomad-driver-wasm" not in text
    assert 'plugin "raw_exec" {\n  config {\n    enabled = true\n' in text


def test_traefik() -> None:
    """Traefik routes what Consul lists and asks for it, and nothing else."""
    assert (
        config.traefik(DIRECTORY, PORTS, Features())
        == """\
global:
  checkNewVersion: false
  sendAnonymousUsage: false
entryPoints:
  web:
    address: "127.0.0.1:8088"
  traefik:
    address: "127.0.0.1:8089"
providers:
  consulCatalog:
    exposedByDefault: false
    refreshInterval: 1s
    endpoint:
      address: "127.0.0.1:8500"
      scheme: http
ping: {}
log:
  level: INFO
accessLog:
  filePath: "/srv/my stack/logs/traefik-access.log"
"""
    )


def test_traefik_dashboard() -> None:
    """The dashboard is there only when it is asked for."""
    assert config.traefik(DIRECTORY, PORTS, Features(dashboard=True)).endswith(
        "api:\n  insecure: true\n  dashboard: true\n"
    )
