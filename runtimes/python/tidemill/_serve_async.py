"""Serves on one asyncio event loop; chosen when a handler is `async def`. Plain handlers of the same bundle
run in threads. asyncio costs 40 ms to import, which is why bundles without async handlers do not get here.
"""
import _signal as signals
import asyncio
import socket
import sys

from tidemill._answer import (StreamFraming, answer_of, failure, failure_of, head_of, report)
from tidemill._http import Parser, Rejected
from tidemill._serve import READY_PATH, UNLIMITED_CALLS_MAX, WRITE_BYTES

PIPELINED_BYTES_MAX = 256 * 1024  # read no further while a call runs
_END = object()


class AsyncServer:
    """The same interface as _serve.Server."""

    def __init__(self, bundle, concurrency):
        self.bundle = bundle
        # Before Python 3.10 what a module makes while it is imported (asyncio.Event()) belongs to the loop
        # of that moment, so it has to be the same one.
        self.loop = asyncio.get_event_loop() if sys.version_info < (3, 10) else asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.slots = asyncio.Semaphore(concurrency) if concurrency else None
        self._threads_max = min(concurrency or UNLIMITED_CALLS_MAX, UNLIMITED_CALLS_MAX)
        self.connections = set()
        self.draining = False
        self._stopped = self.loop.create_future()
        self._server = None

    def catch_signals(self):
        for number in (signals.SIGTERM, signals.SIGINT):
            self.loop.add_signal_handler(number, self._drain)

    def run_coroutine(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def serve(self, listener):
        if any(not function.is_async for function in self.bundle.functions):
            from concurrent.futures import ThreadPoolExecutor

            self.loop.set_default_executor(ThreadPoolExecutor(self._threads_max))
        listening = socket.socket(fileno=listener.detach())
        try:
            self.loop.run_until_complete(self._serve(listening))
        finally:
            from tidemill._main import finish

            finish(self)

    async def _serve(self, listening):
        self._server = await self.loop.create_server(lambda: Connection(self), sock=listening, backlog=1024)
        if self.draining:  # SIGTERM came during the hooks
            self._close_listener()
        await self._stopped

    def _drain(self):
        if self.draining:
            return
        self.draining = True
        if self._server is not None:
            # One turn of the loop takes in what has connected and written before the signal came.
            self.loop.call_later(0.01, self._close_listener)

    def _close_listener(self):
        self._server.close()
        for connection in list(self.connections):
            connection.close_if_idle()
        self.stop_if_drained()

    def stop_if_drained(self):
        if self.draining and self._server is not None and not self._server.is_serving() \
                and not self.connections and not self._stopped.done():
            self._stopped.set_result(None)


class Connection(asyncio.Protocol):
    def __init__(self, server):
        self._server = server
        self._parser = Parser()
        self._transport = None
        self._task = None  # keeps the running call from being collected
        self._writable = None  # a future while the client reads slower than we write
        self._is_gone = False
        self._is_discarding = False

    # Called by the loop -------------------------------------------------------------------------------

    def connection_made(self, transport):
        self._transport = transport
        self._server.connections.add(self)

    def data_received(self, data):
        if self._is_discarding:
            return
        self._parser.feed(data)
        if self._task is None:
            self._next()
        elif self._parser.buffered() > PIPELINED_BYTES_MAX:
            self._transport.pause_reading()

    def eof_received(self):
        return self._task is not None  # keep the way open for the answer

    def connection_lost(self, error):
        self._is_gone = True
        self.resume_writing()
        self._server.connections.discard(self)
        self._server.stop_if_drained()

    def pause_writing(self):
        self._writable = self._server.loop.create_future()

    def resume_writing(self):
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # Ours ---------------------------------------------------------------------------------------------

    def close_if_idle(self):
        if self._task is None and (self._is_discarding or self._parser.is_idle()):
            self._transport.close()

    def _next(self):
        try:
            request = self._parser.next()
        except Rejected as error:
            answer = failure(error.status, str(error), "BadRequest")
            self._transport.write(head_of(answer, None, close=True)[0] + answer.body)
            # A close with unread input resets the connection and may take the answer with it, so what
            # still comes is dropped until the client closes.
            self._is_discarding = True
            self._transport.write_eof()
            if self._server.draining:
                self._transport.close()
            return
        if request is not None:
            self._task = self._server.loop.create_task(self._serve(request))
        elif self._parser.wants_continue:
            self._parser.wants_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif self._server.draining:
            self.close_if_idle()

    async def _serve(self, request):
        keep = False
        try:
            keep = await self._answer(request)
        except BaseException as error:
            report(error, "answering %s failed" % request.path)
        self._task = None
        if self._is_gone:
            return
        if not keep:
            self._transport.close()
            return
        self._transport.resume_reading()
        self._next()

    async def _answer(self, request):
        """True if the connection may go on."""
        if request.path == READY_PATH:
            return await self._send(request, answer_of("ready\n"), "")
        function = self._server.bundle.find(request.path)
        if function is None:
            return await self._send(request, failure(
                404, "no function of this project serves %s" % request.path, "NoSuchFunction"), "")
        if self._server.slots is None:
            return await self._call(request, function)
        async with self._server.slots:
            return await self._call(request, function)

    async def _call(self, request, function):
        try:
            context = function.context.for_request(request)
            if function.is_async:
                result = function.call(request, context)
            else:
                result = await self._server.loop.run_in_executor(None, function.call, request, context)
            if hasattr(result, "__await__"):
                result = await result
            answer = answer_of(result)
        except BaseException as error:
            answer = failure_of(error, function.name)
        return await self._send(request, answer, function.name)

    async def _send(self, request, answer, name):
        stream = answer.body if answer.is_stream else None
        try:
            try:
                first = _END
                if stream is not None and request.method != "HEAD":
                    first = await self._piece(stream, answer)
                close = self._server.draining or not request.keep_alive
                head, framing = head_of(answer, request, close)
                pieces = StreamFraming(framing, answer.length)
                if first is not _END:
                    first = pieces.piece(first)
            except BaseException as error:
                answer = failure_of(error, name)
                close = self._server.draining or not request.keep_alive
                head, framing = head_of(answer, request, close)
            if not answer.is_stream or framing == "none":
                await self._write(head)
                if framing != "none":
                    await self._write(answer.body)
                return not close
            try:
                if first is _END:
                    await self._write(head + pieces.end())
                else:
                    await self._write(head + first)
                    while not self._is_gone:
                        value = await self._piece(stream, answer)
                        if value is _END:
                            await self._write(pieces.end())
                            break
                        await self._write(pieces.piece(value))
            except BaseException as error:
                # The status is sent; a body cut short is the only sign of failure that is left.
                report(error, "%s failed while streaming" % name)
                return False
            return not close and framing != "close"
        finally:
            await _close_stream(stream)

    async def _piece(self, stream, answer):
        if not answer.is_async:
            return await self._server.loop.run_in_executor(None, next, stream, _END)
        try:
            return await stream.__anext__()
        except StopAsyncIteration:
            return _END

    async def _write(self, data):
        for start in range(0, len(data), WRITE_BYTES):
            if self._is_gone:
                return
            self._transport.write(data[start : start + WRITE_BYTES])
            if self._writable is not None:
                await self._writable


async def _close_stream(stream):
    try:
        if hasattr(stream, "aclose"):
            await stream.aclose()
        elif hasattr(stream, "close"):
            stream.close()
    except BaseException as error:
        report(error, "closing a stream failed")
