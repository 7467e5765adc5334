"""`[deploy.limits]`, `[component.<name>.limits]`: what guests may use."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from wasmdeploy_cli.manifest import grammar
from wasmdeploy_cli.manifest.key import doc
from wasmdeploy_driver import task

EXECUTOR_MB = task.EXECUTOR_MB
_DEFAULTS = task.Limits()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one guest may use for one request, and how many there may be; None where nothing is said."""

    memory_mb: int | None = field(
        default=None,
        metadata=doc(
            f"linear memory in MiB, at most `deploy.memory` less {EXECUTOR_MB} for the "
            "executor, which is also the default",
            grammar.positive,
        ),
    )
    timeout: str | None = field(
        default=None,
        metadata=doc(
            "wall time of one request, like `500ms`, `30s` or `1m30s`; `0` for no limit; "
            f"without it `{_DEFAULTS.timeout}`",
            grammar.duration,
        ),
    )
    cpu_time: str | None = field(
        default=None,
        metadata=doc("the guest's own computing for one request; without it no limit", grammar.duration),
    )
    fuel: int | None = field(
        default=None,
        metadata=doc(
            "instructions of one request, as wasmtime counts them, which slows the guest a little; "
            "without it no limit",
            grammar.not_negative,
        ),
    )
    table_entries: int | None = field(
        default=None,
        metadata=doc(f"entries of one table; without it {_DEFAULTS.table_entries:,}", grammar.not_negative),
    )
    instances: int | None = field(
        default=None,
        metadata=doc(
            "core instances, of which a component has several; without it no limit", grammar.not_negative
        ),
    )
    request_bytes: int | None = field(
        default=None,
        metadata=doc(
            "body of a request, a longer one is answered with 413; without it no limit", grammar.not_negative
        ),
    )
    response_bytes: int | None = field(
        default=None, metadata=doc("body of a response; without it no limit", grammar.not_negative)
    )
    concurrency: int | None = field(
        default=None,
        metadata=doc(
            f"requests that are answered at once; without it {_DEFAULTS.concurrency}", grammar.positive
        ),
    )
    queue: int | None = field(
        default=None,
        metadata=doc(
            "requests of the whole app that wait for their turn, the next is answered with 503; "
            f"without it {_DEFAULTS.queue:,}; only in `[deploy.limits]`",
            grammar.not_negative,
        ),
    )
    outbound_calls: int | None = field(
        default=None,
        metadata=doc(
            "requests that a guest may send while it answers one, and as many connections of sockets (over UDP: "
            f"addresses); without it {_DEFAULTS.outbound_calls:,}",
            grammar.not_negative,
        ),
    )

    @property
    def given(self) -> dict[str, Any]:
        """What is said, by name."""
        found = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in found if value is not None}
