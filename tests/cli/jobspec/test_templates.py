from wasmdeploy_cli.jobspec import template_path


def test_templates_are_found():
    """A template is where the package or the checkout has it; a name that is none points into the package."""
    assert template_path("app.nomad.hcl.j2").is_file()
    assert template_path("none").parent.parent.name == "wasmdeploy_cli"
