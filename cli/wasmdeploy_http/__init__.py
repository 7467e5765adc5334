"""What a Python app on wasmdeploy is written with: requests, responses, variables and outgoing calls.

It is built into the component, so an app needs nothing installed. Outside a component (in an app's own unit
tests) `Request`, `Response` and `Headers` work as they are; `variable`, `variables` and `fetch` need a component
around them.
"""

from wasmdeploy_http.headers import Headers
from wasmdeploy_http.messages import Request, Response
from wasmdeploy_http.outbound import FetchError, fetch
from wasmdeploy_http.variables import variable, variables

__all__ = ["FetchError", "Headers", "Request", "Response", "fetch", "variable", "variables"]
