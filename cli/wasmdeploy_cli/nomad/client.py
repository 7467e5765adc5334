"""Nomad's HTTP API, its failures translated into one line each (the only home of python-nomad)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import nomad
import requests
from nomad.api import exceptions

from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad.settings import Settings

T = TypeVar("T")
Json = dict[str, Any]
_TIMEOUT = 20


_NOT_THERE = "No such allocation on client"


class Nomad:
    """The calls that wasmdeploy makes, in one namespace; every one raises ClusterError."""

    def __init__(self, settings: Settings, namespace: str = "default", region: str = "") -> None:
        self._address = settings.nomad
        self._hint = settings.nomad_hint
        self._region = region or "global"
        self._api = nomad.Nomad(
            address=settings.nomad,
            token=settings.nomad_token.reveal() or None,
            namespace=namespace,
            region=region or None,
            timeout=_TIMEOUT,
            verify=settings.nomad_tls.verify,
            cert=settings.nomad_tls.cert or (),
            session=settings.nomad_tls.session(settings.nomad_headers),
        )
        self.namespace = namespace

    def ui(self, name: str) -> str:
        """Where Nomad's web UI shows a job."""
        return f"{self._address}/ui/jobs/{quote(name, safe='')}@{self.namespace}"

    def regions(self) -> list[str]:
        """The regions of the cluster: the cheapest call that needs a working Nomad."""
        return list(self._call(self._api.regions.get_regions))

    def has_namespace(self) -> bool:
        """Whether the namespace of these calls exists."""
        return self._maybe(lambda: self._api.namespace.get_namespace(self.namespace)) is not None

    def nodes(self) -> list[Json]:
        """The nodes, with their drivers."""
        return list(self._call(self._api.nodes.get_nodes))

    def node(self, node_id: str) -> Json:
        """One node with its attributes."""
        return dict(self._call(lambda: self._api.node.get_node(node_id)))

    def job(self, name: str, namespace: str | None = None) -> Json | None:
        """The job (of another namespace, where one is named), None where there is none."""
        return self._maybe(lambda: self._api.job.get_job(name, namespace=namespace))

    def jobs(self) -> list[Json]:
        """The namespace's jobs, a line each."""
        return list(self._call(self._api.jobs.get_jobs))

    def apps(self) -> list[Json]:
        """The jobs of every namespace that the token may see, a line each with their meta."""
        parameters = {"namespace": "*", "meta": "true"}
        return list(self._call(lambda: self._api.jobs.request(method="get", params=parameters).json()))

    def services(self) -> list[Json]:
        """The services of every namespace in Nomad's own catalogue, with their tags."""
        found = self._call(lambda: self._api.jobs._request("get", "v1/services", params={"namespace": "*"}))
        return [service for namespace in found.json() for service in namespace["Services"]]

    def versions(self, name: str) -> list[Json]:
        """The versions of a job that Nomad still has, newest first; none where there is no such job."""
        found = self._maybe(lambda: self._api.job.get_versions(name))
        return list((found or {}).get("Versions") or [])

    def tag(self, name: str, version: int, tag: str) -> None:
        """Give a version of a job a tag, which no other one may have: Nomad keeps it."""
        body = {"Version": version}
        self._call(lambda: self._api.job.request(name, "versions", tag, "tag", method="put", json=body))

    def untag(self, name: str, tag: str) -> None:
        """Take a tag back."""
        self._call(lambda: self._api.job.request(name, "versions", tag, "tag", method="delete"))

    def plan(self, job: Json) -> Json:
        """What registering the job would change, and what the scheduler would do; nothing is changed."""
        return dict(self._call(lambda: self._api.job.plan_job(job["ID"], {"Job": job}, diff=True)))

    def require_submit(self) -> None:
        """Raise where our token may not register jobs: planning one asks for the same right, and changes nothing."""
        name = "wasmdeploy-check"
        task: Json = {"Name": name, "Driver": "wasm", "Config": {}}
        group: Json = {"Name": name, "Count": 1, "Tasks": [task]}
        self.plan({"ID": name, "Name": name, "Type": "service", "Datacenters": ["*"],
                   "Region": self._region, "Namespace": self.namespace, "TaskGroups": [group]})  # fmt: skip

    def register(self, job: Json, index: int) -> Json | None:
        """Register the job; the answer has `EvalID` and the job's new `JobModifyIndex`.

        `index` is the JobModifyIndex that it follows, 0 for none: where another change came first, nothing is
        registered and the answer is None.
        """
        body = {"Job": job, "EnforceIndex": True, "JobModifyIndex": index}
        try:
            return dict(self._call(lambda: self._api.jobs.register_job(body)))
        except ClusterError as error:
            if "Enforcing job modify index" in error.message:
                return None
            raise

    def dispatch(self, name: str, payload: bytes, meta: Mapping[str, str]) -> Json:
        """Run a parameterized job; the answer has `DispatchedJobID` and `EvalID`."""
        content = b64encode(payload).decode()
        return dict(self._call(lambda: self._api.job.dispatch_job(name, content, dict(meta))))

    def force(self, name: str) -> str:
        """Run a periodic job now; gives the evaluation's id, whose job is the new run."""
        return str(self._call(lambda: self._api.job.periodic_job(name))["EvalID"])

    def children(self, name: str) -> list[Json]:
        """The runs of a periodic or parameterized job, a line each."""
        found = self._call(lambda: self._api.jobs.get_jobs(prefix=f"{name}/"))
        return [each for each in found if each["ParentID"] == name]

    def deregister(self, name: str, *, purge: bool) -> None:
        """Stop the job; with `purge`, forget it and its allocations too."""
        self._call(lambda: self._api.job.deregister_job(name, purge=purge))

    def evaluation(self, evaluation_id: str) -> Json:
        """An evaluation: whether the scheduler placed what was asked for, and why not.

        Nomad cancels one that waits while a later one of its job is there; that one is given then.
        """
        found = dict(self._call(lambda: self._api.evaluation.get_evaluation(evaluation_id)))
        if found["Status"] != "canceled":
            return found
        others = self._call(lambda: self._api.job.get_evaluations(found["JobID"]))
        later = (
            each
            for each in others
            if each["Status"] != "canceled" and each["ModifyIndex"] > found["CreateIndex"]
        )
        return dict(max(later, key=lambda each: int(each["ModifyIndex"]), default=found))

    def newest_deployment(self, name: str) -> Json | None:
        """The newest deployment of a job, None where it never had one."""
        return self._maybe(lambda: self._api.job.get_deployment(name))

    def deployment(self, deployment_id: str) -> Json:
        """A deployment's state."""
        return dict(self._call(lambda: self._api.deployment.get_deployment(deployment_id)))

    def promote(self, deployment_id: str) -> str:
        """Let the deployment's canaries take the old version's place; gives the evaluation's id."""
        answer = self._call(lambda: self._api.deployment.promote_deployment_all(deployment_id))
        return str(answer["EvalID"])

    def fail(self, deployment_id: str) -> None:
        """End a deployment that is under way; Nomad goes back to the version that was stable before."""
        self._call(lambda: self._api.deployment.fail_deployment(deployment_id))

    def allocations(self, name: str) -> list[Json]:
        """The allocations of a job, all versions of it."""
        return list(self._call(lambda: self._api.job.get_allocations(name, all_=True)))

    def allocation(self, allocation_id: str) -> Json:
        """One allocation with its resources."""
        return dict(self._call(lambda: self._api.allocation.get_allocation(allocation_id)))

    def ports(self, allocation_id: str) -> list[str]:
        """The addresses, HOST:PORT, that an allocation has on its node."""
        shared = (self.allocation(allocation_id).get("AllocatedResources") or {}).get("Shared") or {}
        return [f"{port['HostIP']}:{port['Value']}" for port in shared.get("Ports") or ()]

    def alive(self, allocation_id: str) -> bool:
        """Whether an allocation has not ended yet; one that Nomad has forgotten has."""
        allocation = self._maybe(lambda: self._api.allocation.get_allocation(allocation_id))
        return allocation is not None and allocation["ClientStatus"] in ("running", "pending", "unknown")

    def garbage_collect(self, allocation_id: str) -> None:
        """Remove an ended allocation's directory from its node; one that is gone already is fine."""
        try:
            self._maybe(lambda: self._api.client.gc_allocation.garbage_collect(allocation_id))
        except ClusterError as error:
            if _NOT_THERE not in error.message:  # a node that forgot it answers with 500
                raise

    def _maybe(self, call: Callable[[], T]) -> T | None:
        try:
            return self._call(call)
        except ClusterError as error:
            if isinstance(error.__cause__, exceptions.URLNotFoundNomadException):
                return None
            raise

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (requests.RequestException, exceptions.BaseNomadException, ValueError) as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> ClusterError:
        cause = getattr(error, "nomad_resp", error)
        if not isinstance(cause, requests.Response):
            return self._unreachable(cause)
        # Nomad lists what is wrong with a job below a headline, a line each.
        text = " ".join(line.strip() for line in cause.text.splitlines()) or f"HTTP {cause.status_code}"
        if cause.status_code == 403:
            return ClusterError(
                f"Nomad at {self._address} refuses: {text}",
                "set NOMAD_TOKEN to a token whose policy allows this (submit-job, read-job, read-logs)",
            )
        return ClusterError(
            f"Nomad at {self._address}: {text}", "correct what Nomad names, or see its log: nomad monitor"
        )

    def _unreachable(self, cause: object) -> ClusterError:
        if isinstance(cause, requests.exceptions.SSLError):
            return ClusterError(
                f"Nomad at {self._address}: its certificate is not trusted", "set NOMAD_CACERT"
            )
        if isinstance(cause, (requests.Timeout, exceptions.TimeoutNomadException)):
            return ClusterError(f"Nomad at {self._address} did not answer within {_TIMEOUT} s", self._hint)
        if isinstance(cause, ValueError) and not isinstance(cause, requests.RequestException):
            return ClusterError(f"{self._address} does not answer like Nomad", "check NOMAD_ADDR")
        return ClusterError(f"Nomad at {self._address} cannot be reached", self._hint)
