"""What the parts of a manifest must agree on: names that exist, routes that differ, memory that fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest.app import App
from wasmdeploy_cli.manifest.command import check_command, check_service
from wasmdeploy_cli.manifest.component import Component, Executor
from wasmdeploy_cli.manifest.deploy import EXECUTOR_MB, MIN_HEALTHY_SECONDS, Deploy
from wasmdeploy_cli.manifest.grammar import TEMPLATE
from wasmdeploy_cli.manifest.place import Place, nearest
from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.egress.rules import parse_rule

_SERVICE_NAME_LENGTH = 63  # a DNS label: Consul answers for the service under its name


def check(app: App, place: Place, deploy: Place) -> None:
    """Raise the ConfigError of the first disagreement; `deploy` is where the deploy settings stand."""
    _check_variables(app, place.key("variables"))
    if app.command:
        check_command(app, place, deploy)
    else:
        _check_triggers(app, place.key("trigger", "http"))
        check_service(app, deploy)
    for name, component in app.component.items():
        for key, texts in (("environment", component.environment), ("variables", component.variables)):
            _check_templates(app, texts, place.key("component", name, key))
        _check_outbound(app, component, place.key("component", name, "allowed_outbound_hosts"))
    _check_engine(app, place)
    _check_service_name(app, place)
    _check_memory(app, place, deploy)
    _check_queue(app, place)
    _check_route(app, deploy)
    _check_health_path(app, deploy)
    _check_healthy_within(app, deploy)
    _check_idle_timeout(app, deploy)
    _check_volumes(app, deploy.key("volumes"))


def _check_variables(app: App, place: Place) -> None:
    for name, variable in app.variables.items():
        here = place.key(name)
        if variable.secret and variable.default is not None:
            raise here.key("default").error("a secret has no default", "its value comes from Vault")
        if variable.vault and not variable.secret:
            raise here.key("vault").error("only a secret comes from Vault", "add `secret = true`")
        if variable.required and variable.default is not None:
            raise here.key("required").error("a required variable has no default", "keep one of the two")
        if not (variable.secret or variable.required or variable.default is not None):
            raise here.error("needs a default", "or say `required = true`, or `secret = true`")


def _check_triggers(app: App, place: Place) -> None:
    if not app.trigger.http:
        raise place.error("no route", "add [[trigger.http]] with a route and a component")
    seen: dict[str, str] = {}
    for number, trigger in enumerate(app.trigger.http):
        here = place.key(number)
        if trigger.component not in app.component:
            hint = nearest(trigger.component, list(app.component), "components")
            raise here.key("component").error(f"no component {trigger.component!r}", hint)
        route = trigger.route.rstrip("/") or "/"  # a slash at the end does not matter to the router
        if (other := seen.get(route)) is not None:
            raise here.key("route").error(
                f"{trigger.route!r} is already a route of {other!r}", "change one of the two"
            )
        seen[route] = trigger.component
        if (trigger.executor or Executor("spin")) != app.executor(trigger.component):
            raise here.error(
                f"another trigger of {trigger.component!r} has another executor", "give all the same"
            )
    for name in app.component:
        if not app.routes(name):
            unrouted = Place(place.source, ("component", name))
            raise unrouted.error("no route leads to it", f'add [[trigger.http]] with component = "{name}"')


def _check_templates(app: App, texts: Mapping[Any, str], place: Place) -> None:
    for key, text in texts.items():
        for name in TEMPLATE.findall(text):
            if name not in app.variables:
                hint = nearest(name, list(app.variables), "variables")
                raise place.key(key).error(f"no variable {name!r}", hint)


def _check_outbound(app: App, component: Component, place: Place) -> None:
    """Each rule, as far as its variables are known here; the executor checks it again with their values."""
    defaults = {name: each.default for name, each in app.variables.items() if each.default is not None}
    for number, text in enumerate(component.allowed_outbound_hosts):
        here = place.key(number)
        names = TEMPLATE.findall(text)
        _check_templates(app, {number: text}, place)
        if not defaults.keys() >= set(names):
            continue
        try:
            rule = parse_rule(TEMPLATE.sub(lambda match: defaults[match[1]], text))
        except ConfigError as error:
            raise here.error(error.message, error.hint) from None
        if (sibling := rule.sibling) is not None and sibling not in map(str.lower, app.component):
            hint = nearest(sibling, list(app.component), "components")
            raise here.error(f"{text!r}: no component {sibling!r}", hint)


def _check_engine(app: App, place: Place) -> None:
    """Under the wasmtime command line nobody hands a component only some of the requests."""
    for name, component in app.component.items():
        if component.engine and (len(app.component) > 1 or "/..." not in app.routes(name)):
            raise place.key("component", name, "engine").error(
                "needs an app of this component alone, with the route /...", "make it an app of its own"
            )
        if component.engine and app.executor(name).type == "wagi":
            raise place.key("component", name, "engine").error(
                "runs no WAGI programs", "leave one of them out"
            )


def _check_service_name(app: App, place: Place) -> None:
    if (length := len(app.service_name)) > _SERVICE_NAME_LENGTH:
        what = f"with namespace {app.namespace!r} the service name has {length} characters"
        raise place.key("application", "name").error(f"{what}, at most {_SERVICE_NAME_LENGTH}", "shorten it")


def _check_memory(app: App, place: Place, deploy: Place) -> None:
    """A guest that outgrows its task is killed with everything beside it, in silence; so refuse it here."""
    said = [(app.deploy.limits.memory_mb, deploy)]
    said += [(each.limits.memory_mb, place.key("component", name)) for name, each in app.component.items()]
    for guest, where in said:
        if guest is not None and guest + EXECUTOR_MB > app.deploy.memory:
            together = f"{guest} and {EXECUTOR_MB} for the executor"
            what = f"{together} are more than deploy.memory ({app.deploy.memory})"
            raise where.key("limits", "memory_mb").error(what, f"set deploy.memory to {guest + EXECUTOR_MB}")


def _check_queue(app: App, place: Place) -> None:
    for name, component in app.component.items():
        if component.limits.queue is not None:
            where = place.key("component", name, "limits", "queue")
            raise where.error("all components wait in one queue", "set it in [deploy.limits]")


def _check_route(app: App, deploy: Place) -> None:
    if app.deploy.cert_resolver and not app.deploy.tls:
        raise deploy.key("cert_resolver").error("only HTTPS has a certificate", "add `tls = true`")
    if app.deploy.tls and not app.deploy.host:
        raise deploy.key("tls").error("there is no route without a host name", "add `host`")


def _check_health_path(app: App, deploy: Place) -> None:
    """A check that no guest answers never passes; the executor itself answers the default path."""
    path, routes = app.deploy.health_path, [trigger.route for trigger in app.trigger.http]
    if app.command or path == Deploy().health_path or any(_leads(route, path) for route in routes):
        return
    raise deploy.key("health_path").error(
        f"no route leads to {path}", f"name a path below one of the routes: {', '.join(routes)}"
    )


def _leads(route: str, path: str) -> bool:
    """Whether the executor's router finds the path by this route."""
    base = route.removesuffix("/...").rstrip("/")
    return path.rstrip("/") == base or (route.endswith("/...") and path.startswith(f"{base}/"))


def _check_healthy_within(app: App, deploy: Place) -> None:
    if seconds(app.deploy.healthy_within, "healthy_within") <= MIN_HEALTHY_SECONDS:
        what = f"must be more than the {MIN_HEALTHY_SECONDS} s that an instance must stay healthy"
        raise deploy.key("healthy_within").error(what)


def _check_idle_timeout(app: App, deploy: Place) -> None:
    served = [name for name, component in app.component.items() if component.engine]
    if served and seconds(app.deploy.idle_timeout, "idle_timeout"):
        what = f'component {served[0]!r} has engine = "wasmtime", whose process stays'
        raise deploy.key("idle_timeout").error(what, "remove one of the two")


def _check_volumes(app: App, place: Place) -> None:
    taken = {"/local": "the payload"} if app.takes_payload else {}
    for name, volume in app.deploy.volumes.items():
        if other := taken.get(volume.path):
            raise (
                place.key(name).key("path").error(f"{volume.path} is the place of {other}", "choose another")
            )
        taken[volume.path] = f"volume {name!r}"
        if volume.read_only and app.external:
            what = 'with engine = "wasmtime" nothing refuses writes'
            raise place.key(name).key("read_only").error(what, "remove one of the two")
