"""The pure step from an app to what runs it: the driver's `Task`, and the Nomad job around it."""

from wasmdeploy_cli.job.build import Artifacts, Canaries, build_job
from wasmdeploy_cli.job.task import check_values, make_task

__all__ = ["Artifacts", "Canaries", "build_job", "check_values", "make_task"]
