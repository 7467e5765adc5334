"""What opens a stack's Vault, and the file it is kept in."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_cli.errors import StackError
from wasmdeploy_driver.secrets import Secret


@dataclass(frozen=True, slots=True)
class Keys:
    """The one unseal key and the root token."""

    unseal_key: Secret
    root_token: Secret

    def save(self, path: Path) -> None:
        """Write them where only their owner reads them; never over others."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"unseal_key": self.unseal_key.reveal(), "root_token": self.root_token.reveal()}, file)
            file.flush()
            os.fsync(file.fileno())  # Vault never tells them again

    @classmethod
    def load(cls, path: Path) -> Keys | None:
        """Read them back; None where there are none."""
        try:
            data = json.loads(path.read_text())
            return cls(Secret(str(data["unseal_key"])), Secret(str(data["root_token"])))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StackError(f"{path}: cannot be read", "wasmdeploy stack down --purge, then up") from error
