"""Looks at an app, the nodes and the cluster, and says what is wrong and which command mends it."""

from wasmdeploy_cli.doctor.diagnose import diagnose
from wasmdeploy_cli.doctor.finding import Finding, Severity

__all__ = ["Finding", "Severity", "diagnose"]
