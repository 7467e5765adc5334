"""Where the job templates are: in the installed package, or at the root of a checkout."""

from __future__ import annotations

from pathlib import Path

import wasmdeploy_cli

_PACKAGE = Path(wasmdeploy_cli.__file__).parent


def template_path(name: str) -> Path:
    """The file `name` of `jobspecs`; an editable install has them only at the checkout's root."""
    places = (_PACKAGE / "jobspecs" / name, _PACKAGE.parents[1] / "jobspecs" / name)
    return next((place for place in places if place.is_file()), places[0])
