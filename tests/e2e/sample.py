"""An app whose manifest is made from a few settings, around one small guest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.driver.go_guests import go_guest


@dataclass
class Sample:
    """A CGI app in a directory; `write` brings the files up to date with the settings."""

    directory: Path
    name: str
    version: str = "1.0"
    description: str = "A sample"
    variant: int = 0
    routes: tuple[str, ...] = ("/...",)
    outbound: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    deploy: dict[str, str] = field(default_factory=dict)  # key → TOML value
    more: str = ""

    def write(self) -> Path:
        """Write manifest and component; gives the directory."""
        self.directory.mkdir(parents=True, exist_ok=True)
        # A custom section: another file that does the same.
        section = b"\x07variant" + str(self.variant).encode()
        content = go_guest("go-cgi").read_bytes() + b"\x00" + bytes([len(section)]) + section
        (self.directory / "app.wasm").write_bytes(content)
        (self.directory / "wasmdeploy.toml").write_text(self._manifest())
        return self.directory

    def _manifest(self) -> str:
        lines = [
            "[application]",
            f'name = "{self.name}"',
            f'version = "{self.version}"',
            f'description = "{self.description}"',
            "[variables]",
            *(f'{name} = {{ default = "{value}" }}' for name, value in self.variables.items()),
            *(f'[[trigger.http]]\nroute = "{route}"\ncomponent = "web"' for route in self.routes),
            "[component.web]",
            'source = "app.wasm"',
            f"allowed_outbound_hosts = {list(self.outbound)!r}",
            f"environment = {_table(self.environment)}",
            "[deploy]",
            *(f"{key} = {value}" for key, value in self.deploy.items()),
            self.more,
        ]
        return "\n".join(lines) + "\n"


def _table(values: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f'{key} = "{value}"' for key, value in values.items()) + " }"
