"""Whether a component that answers requests is around the app."""

from __future__ import annotations

import sys

# Comes into a component after the app's own module has run, and into nothing else.
_SERVING = "wasmdeploy_http.serve"


def require(function: str) -> None:
    """Raise RuntimeError in a unit test, and while the app is built, where the host's functions would trap."""
    if _SERVING not in sys.modules:
        raise RuntimeError(
            f"{function} works only while a request is answered: call it in handle; "
            "in a test, put a function in its place"
        )
