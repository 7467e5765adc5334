"""The commands: where each is, and its line of help; a module is imported when its command is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: a function of a module below `commands`; `help` is the first line of its docstring."""

    module: str
    help: str
    function: str = "command"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Commands with a first word in common."""

    help: str
    entries: Mapping[str, Entry]


_GUEST_ARGUMENTS = {"ignore_unknown_options": True, "allow_interspersed_args": False}

COMMANDS: Mapping[str, Entry | Group] = {
    "new": Entry("new", "Create an app: a manifest and a handler that answers HTTP."),
    "build": Entry(
        "build", "Build the app's components, check them, and compile them ahead for this machine."
    ),
    "up": Entry("up", "Serve the app on this machine, until Ctrl-C."),
    "render": Entry("render", "Print the Nomad job of a built app."),
    "plan": Entry("plan", "Show what a deploy would change; nothing is sent."),
    "deploy": Entry("deploy", "Bring the app to the cluster, and wait until it serves, or has ended."),
    "dispatch": Entry(
        "dispatch", "Run a parameterized command, or a periodic one now, and follow it to its end."
    ),
    "promote": Entry("promote", "Let the canaries take the old version's place."),
    "rollback": Entry("rollback", "Go back to an older version, without a gap."),
    "history": Entry("history", "Show the versions that Nomad still has, newest first."),
    "scale": Entry("scale", "Run N instances of the app, until the next deploy."),
    "restart": Entry("restart", "Replace every instance by a new one of the same version, without a gap."),
    "stop": Entry("stop", "Stop the app; its versions, components and secrets stay."),
    "list": Entry("list", "Show the apps on the cluster, of every namespace or of one."),
    "open": Entry("open", "Open the app in the browser, and print its URL."),
    "invoke": Entry("invoke", "Send one request to the app and print its answer."),
    "exec": Entry(
        "exec",
        "Run a line in the console of one of the app's instances.",
        settings={"allow_interspersed_args": False},
    ),
    "events": Entry("events", "Show what has happened to the app's instances, oldest first."),
    "status": Entry("status", "Show the app's version and instances."),
    "logs": Entry("logs", "Print what the app's instances wrote."),
    "destroy": Entry("destroy", "Take the app off the cluster."),
    "doctor": Entry("doctor", "Check the app, the nodes and the cluster."),
    "secrets": Group(
        "The app's secrets in Vault.",
        {
            "set": Entry("secrets", "Store a secret's value.", "set_"),
            "get": Entry("secrets", "Print a secret's value to a pipe or a file.", "get"),
            "list": Entry("secrets", "Show which of the app's secrets Vault has.", "list_"),
            "unset": Entry("secrets", "Remove a secret's value.", "unset"),
            "import": Entry("secrets", "Store many secrets from a file.", "import_"),
            "diff": Entry("secrets", "Show which secrets differ from what runs, or from a file.", "diff"),
            "policy": Entry(
                "secrets_access", "Print the Vault policy and JWT role that this app needs.", "policy"
            ),
            "setup": Entry("secrets_access", "Make that policy and role in Vault.", "setup"),
        },
    ),
    "componentize": Entry("componentize", "Turn a Python HTTP handler into a component."),
    "run": Entry("run", "Run a WebAssembly program once.", settings=_GUEST_ARGUMENTS),
    "stack": Group(
        "A local Nomad, Consul, Vault and Traefik to try things on.",
        {
            "up": Entry("stack", "Start the stack, or what of it has crashed.", "up"),
            "down": Entry("stack", "Stop the stack and all of its tasks.", "down"),
            "status": Entry("stack", "Show how each of the programs is.", "status"),
        },
    ),
    "driver": Group(
        "The Nomad task driver: install it on a node.",
        {
            "install": Entry("driver", "Write the driver's executable where Nomad looks for it.", "install"),
            "config": Entry("driver", "Print the `plugin` block for Nomad's configuration.", "config"),
        },
    ),
}
