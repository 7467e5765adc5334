"""What the values of a manifest may look like; each check returns what is wrong, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from wasmdeploy_driver.duration import seconds

TEMPLATE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")
"""`{{ variable }}` in a value; any other brace is itself."""

_NAME = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_COMPONENT = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_DURATION = re.compile(r"0|(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_URL_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_VAULT_PATH = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+")


def app_name(value: str) -> str:
    """Nomad would take more, but the name is also a Consul service and part of a Traefik router name."""
    if _NAME.fullmatch(value) and len(value) <= 63:
        return ""
    return f"{value!r} is no name: at most 63 of a-z, 0-9 and dashes, a letter first, no dash last"


def component_name(value: str) -> str:
    """Spin's kebab case; also the name of a file in the task directory."""
    if _COMPONENT.fullmatch(value) and len(value) <= 63:
        return ""
    return "no component name: at most 63 of A-Z, a-z, 0-9 and dashes, a letter first, no dash last"


def variable_name(value: str) -> str:
    """Spin's snake case, which a template can name."""
    if re.fullmatch(r"[a-z][a-z0-9_]*", value):
        return ""
    return "no variable name: lowercase letters, digits and underscores, a letter first"


def namespace(value: str) -> str:
    """Nomad's own rule, less the lengths that no service name has room for."""
    return "" if re.fullmatch(r"[A-Za-z0-9-]{1,61}", value) else f"{value!r} is no Nomad namespace"


def version(value: str) -> str:
    """Room for semantic versions, dates and commits; no free text, as it becomes the task's NOMAD_META_…"""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}|", value):
        return ""
    return f"{value!r} is no version: at most 64 letters, digits and `.+_-`"


def description(value: str) -> str:
    """Nomad refuses a longer one."""
    return "" if (length := len(value.encode())) <= 1000 else f"too long: {length} bytes, at most 1000"


def filled(value: str) -> str:
    """Any text but none."""
    return "" if value else "empty"


def filled_list(values: Sequence[str]) -> str:
    """At least one, none of them empty."""
    return "" if values and all(values) else "empty"


def positive(value: int) -> str:
    """A number from 1."""
    return "" if value >= 1 else f"must be at least 1, is {value}"


def task_memory(room: int) -> Callable[[int], str]:
    """Enough for the executor and some guest beside it."""
    least = room + 16
    return lambda value: "" if value >= least else f"must be at least {least}, is {value}"


def not_negative(value: int) -> str:
    """A number from 0 on."""
    return "" if value >= 0 else f"must be at least 0, is {value}"


def job_type(value: str) -> str:
    """The types of Nomad jobs that make sense for guests."""
    if value in ("", "service", "batch", "sysbatch"):
        return ""
    return f'must be "service", "batch" or "sysbatch", is {value!r}'


def network(value: str) -> str:
    """The modes that forward a port."""
    return "" if value in ("host", "bridge") else f'must be "host" or "bridge", is {value!r}'


def payload(value: str) -> str:
    """Nomad's three."""
    if value in ("optional", "required", "forbidden"):
        return ""
    return f'must be "optional", "required" or "forbidden", is {value!r}'


def isolation(value: str) -> str:
    """An isolation mode of the driver's."""
    return "" if value in ("request", "instance") else f'must be "request" or "instance", is {value!r}'


def engine(value: str) -> str:
    """The one engine that has to be asked for."""
    return "" if value in ("", "wasmtime") else f'must be "wasmtime" or left out, is {value!r}'


def manifest_version(value: int) -> str:
    """Version 2 only."""
    return "" if value == 2 else f"only version 2 can be read, this is {value}"


def executor(value: str) -> str:
    """Spin's two, and the first one's old name."""
    return "" if value in ("spin", "http", "wagi") else f"unsupported: executor {value!r}"


def duration(value: str) -> str:
    """Go's notation without the units that make no sense for a request."""
    return "" if _DURATION.fullmatch(value) else f"{value!r} is no duration like 500ms, 30s or 1m30s"


def commands(values: Sequence[str]) -> str:
    """At least one command, none of them blank."""
    return "" if values and all(value.strip() for value in values) else "empty"


def route(value: str) -> str:
    """Spin's routes without `:param` and `*` segments."""
    if not value.startswith("/"):
        return f"{value!r} must start with /"
    segments = value.split("/")[1:]
    for segment in segments:
        if segment.startswith(":") or segment == "*":
            return f"unsupported: segment {segment!r} (end with /... and read the path in the guest)"
    if "..." in "".join(segments[:-1]) or ("..." in segments[-1] and segments[-1] != "..."):
        return f"{value!r}: /... can only stand at the end"
    if not _URL_PATH.fullmatch(value):
        return f"{value!r} is no URL path"
    return ""


def url_path(value: str) -> str:
    """A path as it stands in a request, for a check that Nomad would interpolate."""
    return "" if _URL_PATH.fullmatch(value) else f"{value!r} is no URL path"


def host(value: str) -> str:
    """A DNS name: it stands between backticks in Traefik's rule."""
    if not value or (len(value) <= 253 and all(_LABEL.fullmatch(label) for label in value.split("."))):
        return ""
    return f"{value!r} is no host name"


def entrypoints(values: Sequence[str]) -> str:
    """Names that need no escaping in a Traefik tag."""
    for value in values:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", value):
            return f"{value!r} is no entry point name"
    return ""


def middlewares(values: Sequence[str]) -> str:
    """Names that need no escaping in a Traefik tag, with the provider that defines them."""
    for value in values:
        if not re.fullmatch(r"[A-Za-z0-9_-]+@[a-z]+", value):
            return f"{value!r} is no middleware with its provider, like auth@file"
    return ""


def links(values: Mapping[str, str]) -> str:
    """What Nomad's UI can show: a label, and a web address."""
    for label, value in values.items():
        if not label.strip() or not label.isprintable():
            return f"{label!r} is no label"
        try:
            parts = urlsplit(value)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            valid = False
        if not valid or re.search(r"[^!-~]", value):
            return f"{value!r} is no http:// or https:// URL"
    return ""


def volume_name(value: str) -> str:
    """The label of a block in a Nomad job, and an option's key."""
    return (
        "" if re.fullmatch(r"[A-Za-z0-9_-]{1,63}", value) else "no volume name: letters, digits, `_` and `-`"
    )


def volume_source(value: str) -> str:
    """Nomad's own rule for dynamic host volumes, which others keep, too."""
    return "" if re.fullmatch(r"[A-Za-z0-9_.-]{0,128}", value) else f"{value!r} is no name of a host volume"


def guest_path(value: str) -> str:
    """A directory but the root, in characters that Nomad replaces nothing in."""
    if re.fullmatch(r"(/[A-Za-z0-9._-]+)+", value) and not {".", ".."} & set(value.split("/")):
        return ""
    return f"{value!r} is no path like /data"


def resolver(value: str) -> str:
    """A name that needs no escaping in a Traefik tag."""
    return "" if re.fullmatch(r"[A-Za-z0-9_-]*", value) else f"{value!r} is no name of a certificate resolver"


def catalog(value: str) -> str:
    """The two catalogues that Traefik reads."""
    return "" if value in ("consul", "nomad") else f'must be "consul" or "nomad", is {value!r}'


def artifacts(value: str) -> str:
    """Nomad's getter knows more schemes, but none of them has plain base URLs."""
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        valid = valid and not (parts.query or parts.fragment)
    except ValueError:
        valid = False
    if valid and not re.search(r"[^!-~]|[\"`\\]|[$%]\{", value):
        return ""
    return f"{value!r} is no http:// or https:// URL without query"


def vault_path(value: str) -> str:
    """A mount and a path below it."""
    if not value or _VAULT_PATH.fullmatch(value):
        return ""
    return f"{value!r} is no Vault path like secret/team/app"


def refresh(value: str) -> str:
    """How often Vault is asked: a second at least, for every app asks it."""
    if value == "0":
        return ""
    return duration(value) or ("" if seconds(value, "refresh") >= 1 else f"{value!r} is less than 1s")


def vault_field(value: str) -> str:
    """A path and a field of the secret there."""
    path, _, name = value.partition("#")
    if not value or (_VAULT_PATH.fullmatch(path) and re.fullmatch(r"[^#\s]+", name)):
        return ""
    return f"{value!r} is no Vault field like secret/team/app#password"


def environment(values: Mapping[str, str]) -> str:
    """Names that an environment block can hold."""
    for name in values:
        if not name or "=" in name:
            return f"{name!r} is no environment variable name"
    return ""


def variable_names(values: Mapping[str, str]) -> str:
    """The same rule as for `[variables]`."""
    for name in values:
        if wrong := variable_name(name):
            return f"{name!r} is {wrong}"
    return ""
