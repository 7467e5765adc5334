"""Write docs/manifest.md from the manifest's classes: `python scripts/manifest_reference.py [--check]`."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "cli"), str(ROOT / "driver")]

from wasmdeploy_cli.manifest import app, component, deploy, limits, reader, unserved  # noqa: E402  # needs the paths above

TARGET = ROOT / "docs" / "manifest.md"

TABLES: tuple[tuple[str, type], ...] = (
    ("The file", app.App),
    ("[application]", app.Application),
    ("[variables]", app.Variable),
    ("[trigger]", component.Trigger),
    ("[[trigger.http]]", component.HttpTrigger),
    ("executor", component.Executor),
    ("[[trigger.command]]", component.CommandTrigger),
    ("[component.NAME]", component.Component),
    ("[component.NAME.build]", component.Build),
    ("[deploy]", deploy.Deploy),
    ("[deploy.periodic]", deploy.Periodic),
    ("[deploy.parameterized]", deploy.Parameterized),
    ("[deploy.volumes]", deploy.Volume),
    ("[deploy.vault]", deploy.Vault),
    ("Limits", limits.Limits),
)

INTRODUCTION = """\
# The manifest

<!-- Written by scripts/manifest_reference.py from the classes that read the manifest. -->

An app is described by a `wasmdeploy.toml`. It has the vocabulary of Spin's manifest, version 2, and
`[deploy]` for where and how the app runs on the cluster. A Spin app's `spin.toml` is read as it is: its
deploy settings stand in `[application.tool.wasmdeploy]`, which Spin ignores, or in a `wasmdeploy.toml`
beside it that holds only `[deploy]`.

```toml
[application]
name = "hello"
version = "0.1.0"

[variables]
greeting = { default = "Hello" }
api_key = { secret = true }

[[trigger.http]]
route = "/..."
component = "hello"

[component.hello]
source = "app.wasm"
allowed_outbound_hosts = ["https://api.example.com"]
variables = { greeting = "{{ greeting }}", api_key = "{{ api_key }}" }

[component.hello.build]
command = "wasmdeploy componentize app -o app.wasm"

[deploy]
host = "hello.example.com"
count = 2
```

`{{ name }}` in a component's environment, variables or outbound hosts is replaced by the variable of that name; other
braces stay as they are. A variable needs a `default`, or `required = true`, or `secret = true`. An error
names the file, the line, the key and, for a key that does not exist, the nearest one that does.

Tables below `[env.NAME]` (`application`, `variables`, `component`, `deploy`) are laid over these by `--env NAME`, as
[deploying.md](deploying.md) shows.
"""

COMMANDS = """\
## Commands

An app with a `[[trigger.command]]` runs its one component to its end, in place of answering HTTP: a WASI preview 1
module, or a component that exports `wasi:cli/run`.

```toml
[application]
name = "report"

[[trigger.command]]
component = "report"
args = ["--format", "csv"]

[component.report]
source = "report.wasm"

[deploy]
retries = 2

[deploy.parameterized]
payload = "required"
meta_required = ["customer"]
```

Its exit code decides: with 0 it is done, with any other it is started again, `retries` times, and then has failed.
`wasmdeploy deploy` runs it at once and follows it to its end. With `[deploy.periodic]` Nomad runs it by the clock, with
`[deploy.parameterized]` when `wasmdeploy dispatch` or `nomad job dispatch` says so. A command has no route, no service,
no time limit, and calls nobody over the network; of
[Limits](#limits), those of memory, fuel, tables and instances hold.
"""

OUTBOUND = """\
## Outbound hosts

A component calls nothing that `allowed_outbound_hosts` does not allow. An entry is `scheme://host:port`:

- scheme: `http` or `https` for requests; `tcp` or `udp` for [sockets](#sockets); `redis`, `postgres`, `mysql` or
  `mqtt`, which are `tcp` at their own port; `*` for all of them;
- host: a name; `*.example.com`, every name below one; an address, IPv6 in brackets; a network such as
  `10.0.0.0/8` or `[fd00::/8]`; `*`, every name and address; `self`; `NAME.spin.internal`, `*.spin.internal`;
- port: a number, a range `8000..8010` with both ends, `*`, or nothing for the scheme's own (`tcp` and `udp` have none).

**Private addresses are refused unless they are listed.** Loopback, private and link-local networks (the clouds'
metadata services among them), and everything else that is no public address, can be called only where an entry
lists the address: as itself, as a network around it, or, for loopback, as `localhost`. That holds for what a name
resolves to; it is looked up once, and the checked address is the one that is connected to. So a service that is
called by name at a private address needs two entries:

```toml
allowed_outbound_hosts = ["http://orders.service.consul:8080", "http://10.0.0.0/8:8080"]
```

`http://self` allows calls to the app's own routes: to `http://self/…`, or with a path and no host.
`http://NAME.spin.internal` allows calls that go to the app's component NAME, whatever its routes. Neither leaves the
process, and `*` allows neither.

A denied call fails with `HTTP-request-denied`, one to an address that is not listed with
`destination-IP-prohibited`. Redirects are handed to the component, which follows them with a call of its own. TLS
trusts the system's certificates, or those that `SSL_CERT_FILE` names.

### Sockets

An entry for `tcp`, `udp` or a protocol over them opens `wasi:sockets` to the component, for what it names and nothing
else: to connect to it, and to exchange datagrams with it. What libraries build on sockets, Python's `socket` and Rust's
`std::net` among them, works as far as that goes. The rest fails with `access-denied`, as everything does for a
component without such an entry. Nothing listens: binding to an address or a port is refused, and a UDP socket hears
only those whom it may send to.

The rules for private addresses are the same. Sockets know addresses only, so an entry with a name holds for the
addresses that looking up that name has given the component, and only names of such entries can be looked up:

```toml
allowed_outbound_hosts = ["redis://cache.service.consul", "redis://10.0.0.0/8"]
```

`redis://…` allows a TCP connection to that port and does not look at what is said over it. There is no TLS but what the
component brings itself. An instance has at most 64 sockets and look-ups open at once. With `isolation = "instance"` a
connection does not outlive its request: close it before the response ends. With `engine = "wasmtime"` there are no
sockets: an entry for one is refused, and `*://*:*` is for requests alone.
"""

PARKING = """\
## Parking

With `idle_timeout` an instance that has had no request for so long is parked: its processes end, and two small ones,
which all parked apps of the node share, hold its port. In Nomad it stays "running". The next request starts it again,
within milliseconds, and no connection is refused meanwhile; a client's idle HTTP/1 connection is kept, one of HTTP/2
is asked to end.

Checks are no requests: `health_path` is answered with the app's last status, and an app whose last one was no good is
not parked. `nomad alloc exec`, signals and script checks wake it. With `isolation = "instance"` what instances keep is
lost. An app with leases of Vault stays awake, since they are to be renewed; one with `engine = "wasmtime"` cannot have
an `idle_timeout`. Secrets with `refresh` are read again when an app is woken; its first requests may still get the
values from before. `wasmdeploy up` parks nothing.
"""

VOLUMES = """\
## Volumes

```toml
[deploy.volumes]
notes = { path = "/data" }
books = { path = "/books", source = "library", read_only = true }
```

Each is a host volume of Nomad's, static or dynamic, and a directory for all components of the app, or for its command.
What they write there outlives the instance. An app runs only on nodes that have its volumes; two nodes with a volume of
the same name have two volumes with contents of their own. While a new version takes over, old and new instances write
side by side. A dynamic volume needs the access mode `single-node-writer`, or `single-node-reader-only` for `read_only`.
`wasmdeploy plan` shows a volume that is new, or that can be written now, as widened. `wasmdeploy up` needs a directory
in place of each: `--volume notes=DIR`.
"""

UNSERVED = """\
## Not served yet

These keys of Spin's are refused as `unsupported: KEY`, because an app that counts on them would not work.
Routes with `:param` segments, private routes, components that are downloaded or written inside their
trigger, and outbound schemes other than those above are refused too.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join(
        [
            INTRODUCTION,
            *(line for title, cls in TABLES for line in _table(title, cls)),
            COMMANDS,
            OUTBOUND,
            PARKING,
            VOLUMES,
            *_unserved(),
        ]
    )


def documented() -> set[type]:
    """The classes that have a table."""
    return {cls for _, cls in TABLES}


def reachable(cls: type) -> Iterator[type]:
    """`cls` and every class that one of its keys holds."""
    yield cls
    for key in reader.keys(cls):
        for each in _classes(get_type_hints(cls)[key]):
            yield from reachable(each)


def _classes(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for arg in get_args(hint):
        yield from _classes(arg)


def _table(title: str, cls: type) -> Iterator[str]:
    yield f"## {_heading(title)}\n"
    yield f"{(cls.__doc__ or '').splitlines()[0]}\n"
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    hints = get_type_hints(cls)
    for name, field in reader.keys(cls).items():
        yield f"| `{name}` | {_type(hints[name], field)} | {_default(field)} | {field.metadata['doc']} |"
    yield ""


def _heading(title: str) -> str:
    return title if " " in title else f"`{title}`"


def _type(hint: Any, field: dataclasses.Field[Any]) -> str:
    if isinstance(hint, types.UnionType):
        hint = get_args(hint)[0]
    if get_origin(hint) is tuple:
        inner = "strings" if get_args(hint)[0] is str else "tables"
        return f"list of {inner}" + (", or a string" if field.metadata.get("single") else "")
    if get_origin(hint) is Mapping:
        return "table of strings" if get_args(hint)[1] is str else "tables by name"
    return {str: "string", int: "number", bool: "boolean"}.get(hint, "table")


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "**required**" if field.default_factory is dataclasses.MISSING else ""
    match field.default:
        case None | "" | ():
            return ""
        case bool(value):
            return f"`{str(value).lower()}`"
        case tuple(values):
            return "`[" + ", ".join(f'"{value}"' for value in values) + "]`"
        case str(value):
            return f'`"{value}"`'
        case value:
            return f"`{value}`"


def _unserved() -> Iterator[str]:
    titles = {cls: title for title, cls in TABLES}
    yield UNSERVED
    yield "| in | key | instead |"
    yield "|---|---|---|"
    for cls, keys in unserved.UNSERVED.items():
        for key, instead in keys.items():
            yield f"| {_heading(titles[cls])} | `{key}` | {instead} |"
    yield ""


def main(arguments: list[str]) -> int:
    """Write the page, or say with `--check` that it is stale."""
    text = reference()
    if "--check" not in arguments:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.relative_to(ROOT)} is stale: run python scripts/manifest_reference.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
