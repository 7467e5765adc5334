"""A plan in a file: `plan --out` writes it, `deploy plan.json` does it, or refuses where anything has moved on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasmdeploy_cli.deployment.plan import Plan
from wasmdeploy_cli.deployment.proposal import Options, Proposal
from wasmdeploy_cli.errors import ConfigError, DeployError
from wasmdeploy_cli.job import Canaries

Json = dict[str, Any]
_FORMAT = "wasmdeploy plan 2"


@dataclass(frozen=True, slots=True)
class Planned:
    """What the file says: how to make the job again, the job as it was planned, and the index it follows."""

    manifest: Path
    environment: str
    options: Options
    job: Json
    index: int


def is_plan(path: Path) -> bool:
    """Whether a command's argument is a plan and no manifest."""
    return path.suffix == ".json"


def require_place(path: Path) -> None:
    """Raise ConfigError where no plan can be kept at `path`, or not be told from a manifest."""
    if not is_plan(path):
        raise ConfigError(f"--out {path}: the name of a plan ends with .json", f"like --out {path.stem}.json")
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(
            f"--out {path}: there is no such place for a file", "name a file that you may write"
        )


def write(path: Path, plan: Plan, proposal: Proposal, options: Options, environment: str) -> None:
    """Keep a plan; raises ConfigError where the file cannot be written."""
    content = {
        "format": _FORMAT,
        "manifest": str(proposal.app.path.absolute()),
        "environment": environment,
        "values": dict(options.values),
        "component_dir": str(options.component_dir.absolute()) if options.component_dir else "",
        "canaries": options.canaries.count,
        "auto_promote": options.canaries.auto_promote,
        "replace": options.replace,
        "plan": plan.as_json(),
        "job": proposal.job,
    }
    try:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {path}: {error.strerror}", "name a file that you may write") from error


def read(path: Path) -> Planned:
    """Read a plan; raises ConfigError where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", "write a plan with: wasmdeploy plan --out FILE"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is no plan: not JSON", "write one with: wasmdeploy plan --out FILE"
        ) from error
    try:
        if content["format"] == _FORMAT:
            return _planned(content)
    except (KeyError, TypeError):  # what plan writes has it all
        pass
    raise ConfigError(f"{path} is no plan of this wasmdeploy", "write one with: wasmdeploy plan --out FILE")


def _planned(content: Json) -> Planned:
    directory = content["component_dir"]
    options = Options(
        content["values"],
        Path(directory) if directory else None,
        Canaries(content["canaries"], content["auto_promote"]),
        content["replace"],
    )
    return Planned(
        Path(content["manifest"]), content["environment"], options, content["job"], content["plan"]["index"]
    )


def require_alone(options: Options, environment: str) -> None:
    """Raise ConfigError for options beside a plan, which has them."""
    if options != Options() or environment:
        raise ConfigError(
            "a plan has its environment, variables, canaries and component directory already",
            "give them to wasmdeploy plan",
        )


def require_same(planned: Planned, proposal: Proposal) -> None:
    """Raise DeployError where the app or the cluster is not what was planned with."""
    if proposal.index != planned.index:
        raise DeployError(
            f"{proposal.app.name} has changed on the cluster since the plan was made "
            f"(job modify index {planned.index}, now {proposal.index})",
            "make a new one: wasmdeploy plan --out FILE",
        )
    if json.dumps(proposal.job, sort_keys=True) != json.dumps(planned.job, sort_keys=True):
        raise DeployError(
            f"{planned.manifest}, a component or a secret has changed since the plan was made",
            "make a new one: wasmdeploy plan --out FILE",
        )
