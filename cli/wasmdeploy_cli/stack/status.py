"""How a stack's members are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wasmdeploy_cli.stack import processes
from wasmdeploy_cli.stack.directory import located, opened
from wasmdeploy_cli.stack.members import planned
from wasmdeploy_cli.stack.record import Record

Condition = Literal["works", "unwell", "crashed", "stopped"]


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member's condition; `detail` says what is wrong."""

    name: str
    condition: Condition
    address: str
    pid: int | None
    log: Path
    detail: str = ""


def status(data_dir: Path | None) -> tuple[MemberStatus, ...]:
    """Each member of the stack in `data_dir`; nothing where there is none."""
    directory = opened(located(data_dir))
    record = Record.load(directory.state) if directory else None
    if directory is None or record is None or not record.ports:
        return ()
    statuses = []
    for member in planned(directory, record.ports, record.features):
        process = record.members.get(member.name)
        log = directory.log(member.name)
        if process is None:
            statuses.append(MemberStatus(member.name, "stopped", member.address, None, log))
        elif not processes.alive(process):
            detail = f"process {process.pid} is gone"
            statuses.append(MemberStatus(member.name, "crashed", member.address, None, log, detail))
        else:
            trouble = member.trouble()
            condition: Condition = "unwell" if trouble else "works"
            statuses.append(MemberStatus(member.name, condition, member.address, process.pid, log, trouble))
    return tuple(statuses)
