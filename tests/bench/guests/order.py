"""An app that reads an order as JSON and answers with its total: the guest of the case python-json."""

from wasmdeploy_http import Request, Response


def handle(request: Request) -> Response:
    order = request.json()
    total = sum(line["count"] * line["cents"] for line in order["lines"])
    return Response({"id": order["id"], "lines": len(order["lines"]), "cents": total})
