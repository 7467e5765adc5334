import pytest

from wasmdeploy_cli.deployment.postmortem import compiled, compiling, likely_cause, serving, telling_event


def event(kind, text="", time=1, **details):
    return {"Type": kind, "DisplayMessage": text, "Time": time, "Details": details}


def allocation(*events):
    return {"TaskStates": {"web": {"Events": list(events)}}}


def test_no_event():
    """An instance that no node has taken yet has none."""
    assert telling_event({"TaskStates": None}) is None


def test_what_kept_it_from_starting_goes_before_its_end():
    """A failure to start tells more than what came after it."""
    failure = event("Driver Failure", "no such file", time=1)
    assert (
        telling_event(allocation(failure, event("Not Restarting", time=3), event("Terminated", time=2)))
        == failure
    )


def test_an_instance_that_was_stopped_on_purpose():
    """An end with status 0 explains nothing: the newest event does."""
    killed = event("Killed", "Task successfully killed", time=3)
    ended = event("Terminated", "Exit Code: 0", time=2, exit_code="0")
    assert telling_event(allocation(event("Started", time=1), ended, killed)) == killed


def test_a_kill_that_is_a_failure():
    """Nomad kills a task that it cannot prepare; a kill on request explains nothing."""
    refused = event("Killing", "Vault: failed to derive vault token", time=2, fails_task="true")
    asked = event("Killing", "Sent interrupt", time=3)
    unhealthy = event("Alloc Unhealthy", time=4)
    assert telling_event(allocation(asked, refused, unhealthy)) == refused
    assert telling_event(allocation(asked, unhealthy)) == unhealthy


def test_the_newest_of_several_ends():
    """Of several restarts the last one counts."""
    ends = [event("Terminated", f"Exit Code: {code}", time=code, exit_code=str(code)) for code in (1, 2)]
    assert telling_event(allocation(*reversed(ends))) == ends[1]


@pytest.mark.parametrize(
    ("kind", "text", "details", "answer", "cause"),
    [
        ("Driver Failure", "rpc error: code = Unknown desc = no such secret: a (b#a)", {}, "",
         "no such secret: a (b#a)"),
        ("Failed Artifact Download", "checksums did not match", {}, "",
         "a component is not the one that was deployed: checksums did not match"),
        ("Killing", 'Vault: failed to derive vault token: … Errors: * role "x" could not be found', {}, "",
         'Vault gives the task no token: role "x" could not be found'),
        ("Terminated", "OOM Killed", {"oom_killed": "true"}, "", "it needed more memory than the job has"),
        ("Terminated", "Exit Code: 3", {"exit_code": "3"}, "", "its process ended: Exit Code: 3"),
        ("Started", "Task started", {}, "GET / answered 500", "its health check does not pass: GET / answered 500"),
        ("Started", "Task started", {}, "", "Failed due to unhealthy allocations"),
    ],
)  # fmt: skip
def test_the_likely_cause(kind, text, details, answer, cause):
    """The event and the check's answer give one line."""
    found, hint = likely_cause(event(kind, text, **details), answer, "Failed due to unhealthy allocations")
    assert found == cause
    assert "wasmdeploy" in hint


def test_a_path_that_vault_refuses():
    """What mends it is named."""
    text = "Vault at http://127.0.0.1:8200 refuses to read secret/default/web"
    found, hint = likely_cause(event("Driver Failure", text), "", "Failed due to unhealthy allocations")
    assert found == text
    assert "wasmdeploy secrets setup" in hint


@pytest.mark.parametrize(
    ("events", "work"),
    [
        ([("Driver", "a: compiling 9.0 MB"), ("Alloc Unhealthy", "late")], "a: compiling 9.0 MB"),
        ([("Driver", "a: compiling 9.0 MB")], "a: compiling 9.0 MB"),
        ([("Driver", "a: compiling 9.0 MB"), ("Alloc Unhealthy", "late"), ("Driver Failure", "it was left")],
         "a: compiling 9.0 MB"),
        ([("Driver", "a: compiling 9.0 MB"), ("Driver", "a: compiled in 3.0 s"), ("Driver", "b: compiling 2.0 MB")],
         "b: compiling 2.0 MB"),
        ([("Driver", "a: compiling 9.0 MB"), ("Driver", "a: compiled in 3.0 s"), ("Alloc Unhealthy", "late")], ""),
        ([("Driver", "a: compiling 9.0 MB"), ("Started", ""), ("Alloc Unhealthy", "late")], ""),
        ([("Driver", "a: compiling 9.0 MB"), ("Driver Failure", "no space is left")], ""),
        ([("Received", "")], ""),
    ],
)  # fmt: skip
def test_a_compile_that_did_not_end_in_time(events, work):
    """It is told while it goes on, and when the time to become healthy was over meanwhile."""
    listed = [event(kind, text, time=number) for number, (kind, text) in enumerate(events)]
    assert compiling(allocation(*reversed(listed))) == work


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([("Driver", "a: compiled in 13.0 s", 13), ("Started", "", 14), ("Alloc Unhealthy", "by healthy_deadline", 20)],
         "a: compiled in 13.0 s"),
        ([("Driver", "a: compiled in 3.0 s", 3), ("Started", "", 4), ("Alloc Unhealthy", "by healthy_deadline", 20)],
         ""),
        ([("Driver", "a: compiled in 13.0 s", 13), ("Alloc Unhealthy", "Unhealthy because of failed task", 20)], ""),
        ([("Driver", "a: compiled in 13.0 s", 13), ("Terminated", "", 15), ("Alloc Unhealthy", "by the deadline", 20)],
         ""),
        ([("Driver", "a: compiled in 13.0 s", 13)], ""),
        ([("Alloc Unhealthy", "by healthy_deadline", 20)], ""),
    ],
)  # fmt: skip
def test_a_compile_that_left_too_little_time(events, told):
    """It is told where it took more than half of the time, and where nothing else than the time was over."""
    listed = [event(kind, text, time=time) for kind, text, time in [("Received", "", 0), *events]]
    assert compiled(allocation(*reversed(listed))) == told


def instance(version, *, healthy=None, status="running", desired="run"):
    return {
        "JobVersion": version,
        "ClientStatus": status,
        "DesiredStatus": desired,
        "DeploymentStatus": None if healthy is None else {"Healthy": healthy},
    }


def test_what_serves():
    """The version before; without one, what the new version took over from it, as after a change of the count."""
    old, new = instance(1, healthy=True), instance(2)
    assert serving([old, instance(1, desired="stop"), new], 2) == "the version before, with 1 instance"
    assert serving([instance(2, healthy=True), new], 2) == "this version, with 1 instance that is healthy"
    assert serving([new, instance(2, healthy=True, status="failed")], 2).startswith("nothing")
