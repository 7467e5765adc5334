"""The parts of a job that only a command has: what launches it, and how often it is tried."""

from __future__ import annotations

from typing import Any

from wasmdeploy_cli.manifest.app import App

Json = dict[str, Any]
_SECOND = 1_000_000_000
_DAY = 86400 * _SECOND


def launching(app: App) -> Json:
    """The job's keys that say when its command runs; none for one that runs when it is deployed."""
    if periodic := app.deploy.periodic:
        return {
            "Periodic": {
                "Enabled": True,
                "SpecType": "cron",
                "Specs": list(periodic.cron),
                "TimeZone": periodic.time_zone,
                "ProhibitOverlap": periodic.prohibit_overlap,
            }
        }
    if given := app.deploy.parameterized:
        return {
            "ParameterizedJob": {
                "Payload": given.payload,
                "MetaRequired": list(given.meta_required),
                "MetaOptional": list(given.meta_optional),
            }
        }
    return {}


def command_group(app: App, task: Json) -> Json:
    """The group of a command: its exit code decides whether it is tried again, on the node where it has failed."""
    group: Json = {
        "Name": app.name,
        "Count": app.deploy.count,
        "RestartPolicy": {
            "Attempts": app.deploy.retries,
            "Interval": _DAY,
            "Delay": 5 * _SECOND,
            "Mode": "fail",
        },
        "Tasks": [task],
    }
    if app.type == "batch":  # Nomad refuses it for the other
        group["ReschedulePolicy"] = {"Attempts": 0, "Unlimited": False}
    return group
