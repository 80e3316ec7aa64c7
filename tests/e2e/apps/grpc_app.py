"""A gRPC service without generated code: bytes in, bytes out. Needs grpcio; listens on $PORT."""
import os
import sys
import threading
import time
from concurrent import futures

sys.path.insert(0, os.environ["GRPC_PACKAGES"])
import grpc  # noqa: E402

cancelled = threading.Event()


def echo(request, context):
    metadata = dict(context.invocation_metadata())
    context.set_trailing_metadata((("x-saw", metadata.get("x-mine", "")), ("x-left", str(context.time_remaining()))))
    return request


def fails(_request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today, 100 % sure")


def counts(request, _context):
    for i in range(int(request)):
        yield str(i).encode()


def adds(requests, _context):
    return str(sum(int(r) for r in requests)).encode()


def talks(requests, _context):
    for request in requests:
        yield b"you said " + request


def waits(_request, context):
    context.add_callback(cancelled.set)
    time.sleep(3)
    return b"late"


def was_cancelled(_request, _context):
    return b"yes" if cancelled.wait(5) else b"no"


def main():
    server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.App", {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Fails": grpc.unary_unary_rpc_method_handler(fails),
        "Counts": grpc.unary_stream_rpc_method_handler(counts),
        "Adds": grpc.stream_unary_rpc_method_handler(adds),
        "Talks": grpc.stream_stream_rpc_method_handler(talks),
        "Waits": grpc.unary_unary_rpc_method_handler(waits),
        "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
    }),))
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    server.start()
    server.wait_for_termination()


main()
