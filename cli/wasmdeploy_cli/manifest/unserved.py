"""Keys of Spin's manifest that are known and not served yet: refused by name instead of ignored."""

from __future__ import annotations

from wasmdeploy_cli.manifest.app import App, Application
from wasmdeploy_cli.manifest.component import Component, HttpTrigger, Trigger

UNSERVED: dict[type, dict[str, str]] = {
    App: {
        "dependencies": "compose the component before deploying it",
    },
    Application: {
        "trigger": "write the setting into each [[trigger.http]]",
        "targets": "remove it: the job says where the app runs",
    },
    Trigger: {
        "redis": "HTTP and commands are the only triggers so far",
        "cron": "make it a [[trigger.command]] with [deploy.periodic]",
        "mqtt": "HTTP and commands are the only triggers so far",
        "sqs": "HTTP and commands are the only triggers so far",
        "kinesis": "HTTP and commands are the only triggers so far",
    },
    HttpTrigger: {
        "components": "name one component in `component`",
    },
    Component: {
        "files": "build the files into the component, or serve them elsewhere",
        "exclude_files": "there is no `files` to exclude from",
        "allowed_http_hosts": "use allowed_outbound_hosts",
        "key_value_stores": "reach a store over HTTP, with allowed_outbound_hosts",
        "sqlite_databases": "reach a database over HTTP, with allowed_outbound_hosts",
        "ai_models": "reach a model over HTTP, with allowed_outbound_hosts",
        "targets": "remove it: the job says where the app runs",
        "dependencies": "compose the component before deploying it",
        "dependencies_inherit_configuration": "compose the component before deploying it",
        "profile": "write one manifest for each profile",
        "id": "a component's name stands in its header, [component.NAME]",
    },
}

IGNORED: dict[type, frozenset[str]] = {
    Application: frozenset({"tool"}),
    Component: frozenset({"tool"}),
}
"""Tables that belong to other tools; Spin ignores them too."""
