"""POST /orders {"item": "tea"} buys one of it."""
import itertools

import shelf
from tidemill import BadInput


def init(context):
    context.state["numbers"] = itertools.count(1)


def handle(request, context):
    if request.method != "POST":
        return {"error": "POST an order"}, 405, {"Allow": "POST"}
    order = request.json()
    if not isinstance(order, dict) or not isinstance(order.get("item"), str):
        raise BadInput('an order is {"item": name}')
    if not shelf.take(order["item"]):
        return {"error": "sold out"}, 409
    context.logger.info("sold", item=order["item"])
    return {"item": order["item"], "order": next(context.state["numbers"])}, 201
