"""A Nomad job as HCL that people read and `nomad job run` takes."""

from wasmdeploy_cli.jobspec.render import render_hcl
from wasmdeploy_cli.jobspec.templates import template_path

__all__ = ["render_hcl", "template_path"]
