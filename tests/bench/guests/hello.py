"""The smallest app in Python: the guest of the case python-hello-fresh."""

from wasmdeploy_http import Request, Response


def handle(_: Request) -> Response:
    return Response("Hello from Python\n")
