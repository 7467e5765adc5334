"""The members' configuration files, as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wasmdeploy_cli.driver_install import plugin_block, quoted
from wasmdeploy_cli.stack.directory import Directory
from wasmdeploy_cli.stack.ports import DYNAMIC_SIZE, HOST

JWT_PATH = "jwt-nomad"
JWT_ROLE = "nomad-workloads"
JWT_AUDIENCE = "vault.io"


@dataclass(frozen=True, slots=True)
class Features:
    """What a stack has beyond the least; `driver` off leaves the wasm driver out."""

    clients: int = 1
    raw_exec: bool = False
    dashboard: bool = False
    driver: bool = True


def address(ports: Mapping[str, int], name: str) -> str:
    """The URL of a port by its name."""
    return f"http://{HOST}:{ports[name]}"


def consul(directory: Directory, ports: Mapping[str, int]) -> str:
    """A server that is its own quorum."""
    return f"""\
node_name            = "wasmdeploy"
data_dir             = {quoted(directory.data("consul"))}
server               = true
bootstrap_expect     = 1
bind_addr            = "{HOST}"
advertise_addr       = "{HOST}"
client_addr          = "{HOST}"
disable_update_check = true

ports {{
  http     = {ports["consul.http"]}
  server   = {ports["consul.server"]}
  serf_lan = {ports["consul.serf"]}
  serf_wan = -1
  dns      = -1
  grpc     = -1
  grpc_tls = -1
}}

performance {{
  raft_multiplier = 1
}}

ui_config {{
  enabled = true
}}
"""


def consul_agent(directory: Directory, ports: Mapping[str, int], number: int) -> str:
    """The agent of another Nomad client.

    Each wants its own: a client removes from its agent the services that it does not know, those of another client
    too.
    """
    name = f"consul-{number}"
    return f"""\
node_name            = "wasmdeploy-{number}"
data_dir             = {quoted(directory.data(name))}
server               = false
retry_join           = ["{HOST}:{ports["consul.serf"]}"]
bind_addr            = "{HOST}"
advertise_addr       = "{HOST}"
client_addr          = "{HOST}"
disable_update_check = true

ports {{
  http     = {ports[f"{name}.http"]}
  serf_lan = {ports[f"{name}.serf"]}
  serf_wan = -1
  dns      = -1
  grpc     = -1
  grpc_tls = -1
}}
"""


def vault(directory: Directory, ports: Mapping[str, int]) -> str:
    """A server that is its own quorum, without memory locking so that it also runs unprivileged.

    Raft is the only storage with a memory beyond the process that Vault's `minimal` build has.
    """
    return f"""\
api_addr      = "{address(ports, "vault.http")}"
cluster_addr  = "{address(ports, "vault.cluster")}"
disable_mlock = true
ui            = true

storage "raft" {{
  path                   = {quoted(directory.data("vault"))}
  node_id                = "wasmdeploy"
  performance_multiplier = 1
}}

listener "tcp" {{
  address         = "{HOST}:{ports["vault.http"]}"
  cluster_address = "{HOST}:{ports["vault.cluster"]}"
  tls_disable     = true
}}
"""


def nomad(directory: Directory, ports: Mapping[str, int]) -> str:
    """The server, apart from the clients.

    A client in the server's own process registers a moment before the new leader can sign its identity, and
    tries again only 15 to 30 seconds later.
    """
    return f"""\
name                 = "wasmdeploy"
data_dir             = {quoted(directory.data("nomad"))}
bind_addr            = "{HOST}"
disable_update_check = true

ports {{
  http = {ports["nomad.http"]}
  rpc  = {ports["nomad.rpc"]}
  serf = {ports["nomad.serf"]}
}}

advertise {{
  http = "{HOST}"
  rpc  = "{HOST}"
  serf = "{HOST}"
}}

server {{
  enabled          = true
  bootstrap_expect = 1
}}

{_connections(ports)}
{_TELEMETRY}"""


def client(directory: Directory, ports: Mapping[str, int], number: int, features: Features) -> str:
    """A Nomad agent that runs tasks."""
    member = f"client-{number}"
    low = ports[f"{member}.dynamic"]
    wasm = plugin_block(
        directory.data(f"{member}-wasm"), [directory.components], address(ports, "vault.http")
    )
    return f"""\
name                 = "{member}"
data_dir             = {quoted(directory.data(member))}
plugin_dir           = {quoted(directory.plugins)}
bind_addr            = "{HOST}"
disable_update_check = true

ports {{
  http = {ports[f"{member}.http"]}
}}

advertise {{
  http = "{HOST}"
  rpc  = "{HOST}"
  serf = "{HOST}"
}}

client {{
  enabled           = true
  servers           = ["{HOST}:{ports["nomad.rpc"]}"]
  alloc_mounts_dir  = {quoted(directory.data(member) / "alloc_mounts")}
  network_interface = "lo"
  cni_path          = {quoted(":".join(("/opt/cni/bin", "/usr/lib/cni", str(directory.path / "cni" / "bin"))))}
  cni_config_dir    = {quoted(directory.path / "cni" / "config")}
  min_dynamic_port  = {low}
  max_dynamic_port  = {low + DYNAMIC_SIZE - 1}
  options = {{
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
  }}
}}

{_connections(ports, "consul" if number == 1 else f"consul-{number}")}
{_TELEMETRY}
plugin "raw_exec" {{
  config {{
    enabled = {str(features.raw_exec).lower()}
  }}
}}
""" + (f"\n{wasm}" if features.driver else "")


def _connections(ports: Mapping[str, int], agent: str = "consul") -> str:
    return f"""\
consul {{
  address = "{HOST}:{ports[f"{agent}.http"]}"
}}

vault {{
  enabled               = true
  address               = "{address(ports, "vault.http")}"
  jwt_auth_backend_path = "{JWT_PATH}"
  create_from_role      = "{JWT_ROLE}"
  default_identity {{
    aud = ["{JWT_AUDIENCE}"]
    ttl = "1h"
  }}
}}
"""


_TELEMETRY = """\
telemetry {
  collection_interval        = "1s"
  publish_allocation_metrics = true
  publish_node_metrics       = true
  prometheus_metrics         = true
}
"""


def traefik(directory: Directory, ports: Mapping[str, int], features: Features) -> str:
    """Routes from Consul's catalogue; a private entry point carries the health check and dashboard."""
    dashboard = "api:\n  insecure: true\n  dashboard: true\n" if features.dashboard else ""
    return f"""\
global:
  checkNewVersion: false
  sendAnonymousUsage: false
entryPoints:
  web:
    address: "{HOST}:{ports["traefik.web"]}"
  traefik:
    address: "{HOST}:{ports["traefik.admin"]}"
providers:
  consulCatalog:
    exposedByDefault: false
    refreshInterval: 1s
    endpoint:
      address: "{HOST}:{ports["consul.http"]}"
      scheme: http
ping: {{}}
log:
  level: INFO
accessLog:
  filePath: {quoted(directory.log("traefik-access"))}
{dashboard}"""
