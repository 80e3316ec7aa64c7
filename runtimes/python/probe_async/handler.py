"""The probe of runtimes/contract.py with an async handler: what waits, waits on the event loop, and what
the plain probe already shows comes from it."""
import asyncio
import importlib.util
import os

_spec = importlib.util.spec_from_file_location("plain", os.path.dirname(__file__) + "/../probe/handler.py")
plain = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(plain)

released = asyncio.Event()
stream_released = asyncio.Event()
after_fork = plain.after_fork


async def init(context):
    if os.environ.get("PROBE_SLOW_INIT"):
        print("init began")
        await asyncio.sleep(0.4)
    plain.hook("init", context)


async def shutdown(context):
    await asyncio.sleep(0)
    plain.shutdown(context)


async def handle(request, context):
    route = request.path.split("/")[1]
    if route not in ROUTES:
        return plain.handle(request, context)
    result = ROUTES[route](request, context)
    return await result if hasattr(result, "__await__") else result


async def overlap(request, context):
    plain.running += 1
    plain.most = max(plain.most, plain.running)
    await asyncio.sleep(0.15)
    plain.running -= 1
    return "done"


async def slow(request, context):
    await asyncio.sleep(int(request.query["milliseconds"]) / 1000)
    return "done"


async def wait(request, context):
    plain.waiting += 1
    await released.wait()
    return "waited"


async def release(request, context):
    stream_released.set()
    return "released"


async def release_after_drain(request, context):
    print("releasing soon")
    await asyncio.sleep(0.3)
    released.set()
    return "released"


async def stream(request, context):
    for i in range(int(request.query["pieces"])):
        yield "piece %d\n" % i


async def stream_held(request, context):
    yield "first\n"
    await stream_released.wait()
    yield "second\n"


async def stream_fails(request, context):
    yield "one"
    raise RuntimeError("no more pieces")


async def stream_endless(request, context):
    try:
        while True:
            yield "more and more\n" * 1000
            await asyncio.sleep(0)
    finally:
        print("endless stream closed")


ROUTES = {"overlap": overlap, "slow": slow, "wait": wait, "release": release,
          "release-after-drain": release_after_drain, "stream": stream, "stream-held": stream_held,
          "stream-fails": stream_fails, "stream-endless": stream_endless}
