"""Answers HTTP: `handle` is called for each request, in a fresh WebAssembly instance."""

from wasmdeploy_http import Request, Response, variable


def handle(request: Request) -> Response:
    """Greet whoever asks."""
    greeting = variable("greeting") or "Hello"
    if request.method == "POST":
        return Response(request.body, headers={"content-type": "application/octet-stream"})
    return Response(f"{greeting} from {request.path}\n")
