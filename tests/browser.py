"""A real Chromium without a window, driven over a pipe with its DevTools protocol: messages end with a zero byte."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.world import eventually

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The browser on PATH, None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Page:
    """One page."""

    commands: int  # descriptor that the browser reads
    answers: int  # descriptor that it writes
    session: str = ""
    _number: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:  # what is not an answer tells of an event
                assert "error" not in answer, answer
                return dict(answer["result"])

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """What JavaScript gives."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def shows(self, *words: str, seconds: float = 60) -> str:
        """The page's text once it has all the words."""

        def text() -> str:
            shown = str(self.value("document.body ? document.body.innerText : ''"))
            return shown if all(word in shown for word in words) else ""

        return eventually(f"the page shows {words}", text, seconds)

    def click(self, selector: str, seconds: float = 60) -> None:
        """Click the first element of a CSS selector once there is one."""
        found = f"document.querySelector({json.dumps(selector)})"
        eventually(f"the page has {selector}", lambda: self.value(f"!!{found}"), seconds)
        self.value(f"{found}.click()")

    def type(self, text: str) -> None:
        """Press a key for each character; a carriage return is Enter."""
        for char in text:
            enter = (
                {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
                if char == "\r"
                else {"key": char}
            )
            self.call("Input.dispatchKeyEvent", type="keyDown", text=char, **enter)
            self.call("Input.dispatchKeyEvent", type="keyUp", **enter)

    def save(self, file: Path) -> None:
        """Keep a picture of the page."""
        file.parent.mkdir(parents=True, exist_ok=True)
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self.answers], [], [], 60)[0], "the browser is silent"
            data = os.read(self.answers, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def page(directory: Path, width: int = 1280, height: int = 1400) -> Iterator[Page]:
    """A browser with one page, its profile below `directory`; it ends with the block."""
    program = chromium()
    assert program is not None
    to_browser, from_browser = os.pipe(), os.pipe()
    # The protocol's descriptors are 3 and 4; theirs here are kept clear of those two.
    reads, writes = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_browser[0], from_browser[1]))
    os.close(to_browser[0])
    os.close(from_browser[1])
    script = f'exec "$@" 3<&{reads} 4>&{writes}'
    command = [
        "bash", "-c", script, "bash", program, "--headless", "--disable-gpu", "--disable-dev-shm-usage",
        "--remote-debugging-pipe", f"--user-data-dir={directory / 'profile'}", f"--window-size={width},{height}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []), "about:blank",
    ]  # fmt: skip
    with (
        (directory / "chromium.log").open("wb") as log,
        subprocess.Popen(
            command,
            pass_fds=(reads, writes),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        os.close(reads)
        os.close(writes)
        opened = Page(to_browser[1], from_browser[0])
        try:
            target = opened.call("Target.createTarget", url="about:blank", width=width, height=height)[
                "targetId"
            ]
            opened.session = opened.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield opened
        finally:
            process.terminate()
            os.close(to_browser[1])
            os.close(from_browser[0])
