"""The probe of runtimes/contract.py: one route per promise of the shim."""
import base64
import os
import threading
import time

from tidemill import Response

order = ["loaded"]
released = threading.Event()
stream_released = threading.Event()
counting = threading.Lock()
running = most = waiting = 0


def hook(name, context):
    if os.environ.get("PROBE_FAIL") == name:
        raise RuntimeError("no database")
    order.append(name)
    context.state["hooks"] = order


def init(context):
    if os.environ.get("PROBE_SLOW_INIT"):
        print("init began")
        time.sleep(0.4)
    hook("init", context)


def after_fork(context):
    hook("after_fork", context)


def shutdown(context):
    hook("shutdown", context)
    print("shutdown hook ran")


def handle(request, context):
    route = request.path.split("/")[1]
    return ROUTES[route](request, context)


def hello(request, context):
    return "Hello " + request.query.get("name", "world")


def echo(request, context):
    return {"method": request.method, "path": request.path, "query_string": request.query_string,
            "x": request.query.get_all("x"), "y": request.query.get("y"),
            "header": request.headers.get("x-mixed-CASE"), "body": base64.b64encode(request.body).decode()}


def created(request, context):
    return Response("made", 201, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("content-TYPE", "text/custom")])


def describe(request, context):
    return {"service": context.service, "revision": context.revision, "configuration": context.configuration,
            "request_id": context.request_id, "trace": context.trace, "remaining_seconds": context.remaining()}


def log(request, context):
    context.logger.info("sold", basket=7)


def show(request, context):
    print("a printed line")


def count(request, context):
    context.state["count"] = context.state.get("count", 0) + 1
    return str(context.state["count"])


def overlap(request, context):
    global running, most
    with counting:
        running += 1
        most = max(most, running)
    time.sleep(0.15)
    with counting:
        running -= 1
    return "done"


def slow(request, context):
    time.sleep(int(request.query["milliseconds"]) / 1000)
    return "done"


def wait(request, context):
    global waiting
    waiting += 1
    released.wait(20)
    return "waited"


def release_after_drain(request, context):
    print("releasing soon")
    time.sleep(0.3)
    released.set()
    return "released"


def release(request, context):
    stream_released.set()
    return "released"


def stream(request, context):
    return ("piece %d\n" % i for i in range(int(request.query["pieces"])))


def stream_held(request, context):
    yield "first\n"
    stream_released.wait(20)
    yield "second\n"


def stream_big(request, context):
    for _ in range(int(request.query["megabytes"])):
        yield bytes(1024 * 1024)


def stream_fails(request, context):
    yield "one"
    raise RuntimeError("no more pieces")


def stream_fails_at_once(request, context):
    raise RuntimeError("no piece at all")
    yield


def stream_endless(request, context):
    try:
        while True:
            yield "more and more\n" * 1000
    finally:
        print("endless stream closed")


def fail(request, context):
    raise RuntimeError("it broke")


ROUTES = {
    "hello": hello, "echo": echo, "created": created, "context": describe, "log": log, "print": show,
    "count": count, "overlap": overlap, "slow": slow, "wait": wait, "release": release,
    "release-after-drain": release_after_drain, "stream": stream, "stream-held": stream_held,
    "stream-big": stream_big, "stream-fails": stream_fails, "stream-fails-at-once": stream_fails_at_once,
    "stream-endless": stream_endless, "fail": fail,
    "header": lambda request, context: request.headers["x-many"],
    "bytes": lambda request, context: b"\x00\xff",
    "object": lambda request, context: {"a": [1, None, "\u00e9"]},
    "nothing": lambda request, context: None,
    "body": lambda request, context: request.body,
    "json": lambda request, context: request.json(),
    "most": lambda request, context: str(most),
    "waiting": lambda request, context: str(waiting),
    "hooks": lambda request, context: ",".join(context.state["hooks"]),
    "bad-return": lambda request, context: object(),
    "bad-header": lambda request, context: ("x", 200, {"X-Evil": "a\r\nSet-Cookie: b"}),
    "bad-status": lambda request, context: ("x", 99),
    "bad-framing": lambda request, context: ("x", 200, {"Transfer-Encoding": "chunked"}),
}
