"""`Tls`: the certificates by which one service is known, and by which it knows us, for each HTTP library."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wasmdeploy_cli.errors import ConfigError

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates of one service: `verify` is a CA file or directory, True for the system's, False for none.

    `cert` is our own certificate and its key; `server_name` the name that the service's certificate must have,
    where that is not the address's.
    """

    verify: str | bool = True
    cert: tuple[str, str] | None = None
    server_name: str = ""

    def context(self) -> ssl.SSLContext:
        """The same as TLS takes it; raises ConfigError where a file cannot be read or is no certificate."""
        try:
            context = ssl.create_default_context()
            if isinstance(self.verify, str):
                folder = Path(self.verify).is_dir()
                context = ssl.create_default_context(
                    cafile=None if folder else self.verify, capath=self.verify if folder else None
                )
        except OSError as error:  # ssl.SSLError is one, too
            raise ConfigError(
                f"the CA certificate {self.verify} cannot be used: {error.strerror or error}",
                "name a file in PEM form, or a directory of them, with *_CACERT or *_CAPATH",
            ) from error
        if self.cert is not None:
            try:
                context.load_cert_chain(*self.cert)
            except OSError as error:
                raise ConfigError(
                    f"the client certificate {self.cert[0]} cannot be used: {error.strerror or error}",
                    "name files in PEM form that belong together with *_CLIENT_CERT and *_CLIENT_KEY",
                ) from error
        if self.verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def extensions(self) -> dict[str, str]:
        """What httpx takes beside `context`, with each request."""
        return {"sni_hostname": self.server_name} if self.server_name else {}

    def session(self, headers: Mapping[str, str] | None = None) -> requests.Session:
        """The same as `requests` takes it, for libraries that are built on it; raises ConfigError like `context`."""
        import requests
        from requests.adapters import HTTPAdapter

        tls, context = self, self.context()
        if self.verify is False:  # the user said so; a warning at each request says nothing new
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")
        named: dict[str, Any] = {"ssl_context": context}
        if self.server_name:
            named["server_hostname"] = self.server_name
            named["assert_hostname"] = False if self.verify is False else self.server_name

        class Adapter(HTTPAdapter):
            """Goes by our settings alone: `requests` lets REQUESTS_CA_BUNDLE overrule them."""

            def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
                super().init_poolmanager(*arguments, **{**options, **named})

            def send(self, request: Any, *arguments: Any, **options: Any) -> requests.Response:
                return super().send(
                    request, *arguments, **{**options, "verify": tls.verify, "cert": tls.cert}
                )

        session = requests.Session()
        session.mount("https://", Adapter())
        session.headers.update(headers or {})
        return session


def read_tls(environment: Mapping[str, str], service: str, skip: bool) -> Tls:
    """Read SERVICE_CACERT, _CAPATH, _CLIENT_CERT, _CLIENT_KEY and _TLS_SERVER_NAME; ConfigError for half of a pair."""
    certificate, key = (
        environment.get(f"{service}_CLIENT_CERT", ""),
        environment.get(f"{service}_CLIENT_KEY", ""),
    )
    if bool(certificate) != bool(key):
        raise ConfigError(
            f"{service}_CLIENT_CERT and {service}_CLIENT_KEY belong together, only one is set",
            "set both, or neither",
        )
    verify: str | bool = environment.get(f"{service}_CACERT") or environment.get(f"{service}_CAPATH") or True
    name = environment.get(f"{service}_TLS_SERVER_NAME", "")
    return Tls(False if skip else verify, (certificate, key) if certificate else None, name)
