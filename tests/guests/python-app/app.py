"""An app on `wasmdeploy_http` whose paths each show one behaviour."""

import importlib
import json
import threading

import tiny

from wasmdeploy_http import FetchError, Response, fetch, variable


def handle(request):
    name = request.path.strip("/")
    return globals()[f"on_{name}"](request)


def on_tiny(request):
    return tiny.WORD


def on_variable(request):
    print("printed")
    return [variable("color"), variable("shape")]


def on_fetch(request):
    asked = request.query
    try:
        answer = fetch(asked["url"], request.method, request.body, json.loads(asked.get("headers", "{}")))
    except FetchError as error:
        return {"code": error.code, "words": str(error)}
    return answer


def on_none(request):
    pass


def on_exit(request):
    raise SystemExit("told to stop")


def on_connection(request):
    return Response("x", headers={"connection": "close"})


def on_shout(request):
    return Response(part.upper() for part in request.stream())


def on_parts(request):
    return Response(
        iter(["tëxt", b" and bytes", 1 if request.query else ""]), headers={"content-type": "text/x"}
    )


def on_fails(request):
    def parts():
        yield from request.stream()
        raise ValueError("no more")

    return Response(parts())


def on_unread(request):
    return f"{request.method}\n"


def on_empty(request):
    return Response(None)


def on_missing(request):
    missing = []
    for name in ("ssl", "sqlite3", "ctypes", "multiprocessing.pool"):
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    try:
        threading.Thread(target=print).start()
    except RuntimeError:
        missing.append("threads")
    return missing
