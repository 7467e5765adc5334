"""Render a job as HCL through `jobspecs/app.nomad.hcl.j2`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined

from wasmdeploy_cli.jobspec.config import config_lines
from wasmdeploy_cli.jobspec.literals import assignments, duration, literal
from wasmdeploy_cli.jobspec.templates import template_path


def render_hcl(job: Mapping[str, Any]) -> str:
    """The HCL of a job that `build_job` made; Nomad's parser reads the same job from it."""
    source = template_path("app.nomad.hcl.j2").read_text(encoding="utf-8")
    group = job["TaskGroups"][0]
    return _environment().from_string(source).render(job=job, group=group, task=group["Tasks"][0])


def _environment() -> Environment:
    environment = Environment(  # noqa: S701  # HCL, not HTML: the filters escape
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["hcl"] = literal
    environment.filters["duration"] = duration
    environment.filters["pairs"] = lambda values: "\n".join(assignments(values.items()))
    environment.filters["task_config"] = lambda config: "\n".join(config_lines(config))
    return environment
