"""What a manifest must agree on where its app is a command, and what only a command can have."""

from __future__ import annotations

from wasmdeploy_cli.manifest.app import App
from wasmdeploy_cli.manifest.component import Component
from wasmdeploy_cli.manifest.deploy import Deploy
from wasmdeploy_cli.manifest.grammar import TEMPLATE
from wasmdeploy_cli.manifest.place import Place, nearest
from wasmdeploy_driver.egress.rules import PORTS

_APART = "make it an app of its own"
_OF_ROUTES = ("host", "tls", "cert_resolver", "entrypoints", "health_path", "catalog", "network")
_OF_REQUESTS = ("engine", "isolation")


def check_command(app: App, place: Place, deploy: Place) -> None:
    """Raise the ConfigError of the first disagreement in an app that is a command."""
    triggers = place.key("trigger", "command")
    if app.trigger.http:
        raise triggers.error("an app that answers HTTP runs no command", _APART)
    if len(app.trigger.command) > 1:
        raise triggers.key(1).error("an app runs one command", _APART)
    trigger = app.trigger.command[0]
    here = triggers.key(0)
    if trigger.component not in app.component:
        hint = nearest(trigger.component, list(app.component), "components")
        raise here.key("component").error(f"no component {trigger.component!r}", hint)
    for name in app.component:
        if name != trigger.component:
            raise place.key("component", name).error("the command is another component", _APART)
    for number, text in enumerate(trigger.args):
        for name in TEMPLATE.findall(text):
            if name not in app.variables:
                hint = nearest(name, list(app.variables), "variables")
                raise here.key("args", number).error(f"no variable {name!r}", hint)
    _check_component(app.component[trigger.component], place.key("component", trigger.component))
    _check_deploy(app.deploy, deploy)


def check_service(app: App, deploy: Place) -> None:
    """Raise the ConfigError of what an app that answers HTTP has, and only a command can have."""
    if app.deploy.type not in ("", "service"):
        raise deploy.key("type").error(
            "an app that answers HTTP is a service", "make it a [[trigger.command]]"
        )
    for name in ("periodic", "parameterized"):
        if getattr(app.deploy, name) is not None:
            raise deploy.key(name).error(
                "an app that answers HTTP always runs", "make it a [[trigger.command]]"
            )


def _check_component(component: Component, place: Place) -> None:
    without = Component("-")
    for name in _OF_REQUESTS:
        if getattr(component, name) != getattr(without, name):
            raise place.key(name).error("only components that answer HTTP have this", "remove it")
    for number, text in enumerate(component.allowed_outbound_hosts):
        if text.partition("://")[0] in PORTS:
            raise place.key("allowed_outbound_hosts", number).error(
                f"{text!r}: a command has sockets only, and sends no requests by wasi:http",
                "allow tcp://HOST:PORT",
            )


def _check_deploy(deploy: Deploy, place: Place) -> None:
    without = Deploy()
    for name in _OF_ROUTES:
        if getattr(deploy, name) != getattr(without, name):
            raise place.key(name).error("a command has no route", "remove it")
    if deploy.idle_timeout != without.idle_timeout:
        raise place.key("idle_timeout").error("a command is not parked: it runs to its end", "remove it")
    if deploy.type == "service":
        raise place.key("type").error("a command is no service: it ends", 'leave it out, or say "batch"')
    if deploy.type == "sysbatch" and deploy.count > 1:
        raise place.key("count").error("a sysbatch job runs once on every node", "remove it")
    if deploy.periodic and deploy.parameterized:
        raise place.key("periodic").error(
            "a command that is dispatched does not run by itself", "keep one of the two"
        )
