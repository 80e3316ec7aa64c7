"""Serves plain functions with threads that are all equal.

Every free thread waits on one epoll; a connection is armed for one event at a time, so whoever is woken
owns it, reads, calls the function and answers without handing it to another thread. A thread is added when
the last free one takes a call. With concurrency 1 there is one thread, the one that imported the function:
calls never overlap and thread-bound objects (sqlite3) just work.
"""
import _signal as signals
import _socket as sockets
import posix
import select
from _collections import deque
from _thread import allocate_lock, start_new_thread

from tidemill._answer import (StreamFraming, answer_of, failure, failure_of, head_of, report)
from tidemill._http import Parser, Rejected

READY_PATH = "/.well-known/tidemill/ready"
# Calls at a time when nothing limits them: beyond it more threads only fight for the interpreter.
UNLIMITED_CALLS_MAX = 256
CONNECTIONS_MAX = 1024  # more wait in the listening socket's backlog
IDLE_THREADS_MAX = 8
READ_BYTES = 256 * 1024
WRITE_BYTES = 1024 * 1024
SEND_STALL_SECONDS = 60  # a client that takes nothing for so long is gone

_ONCE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT


class Gone(Exception):
    """The client is no longer there."""


class Connection:
    __slots__ = ("socket", "descriptor", "parser", "is_owned", "is_open", "is_discarding")

    def __init__(self, socket):
        self.socket = socket
        self.descriptor = socket.fileno()
        self.parser = Parser()
        self.is_owned = True  # by a thread, not by epoll; guarded by the server's lock
        self.is_open = True
        self.is_discarding = False  # refused; only waits for the client to have read why

    def send(self, data):
        """Sends all of data. Raises Gone when the client has closed or takes nothing."""
        if len(data) > WRITE_BYTES:
            with memoryview(data) as view:
                for start in range(0, len(data), WRITE_BYTES):
                    self._send_part(view[start : start + WRITE_BYTES])
        else:
            self._send_part(data)

    def _send_part(self, data):
        sent = 0
        while True:
            try:
                sent += self.socket.send(data[sent:] if sent else data)
                if sent == len(data):
                    return
            except BlockingIOError:
                waiting = select.poll()
                waiting.register(self.descriptor, select.POLLOUT)
                if not waiting.poll(SEND_STALL_SECONDS * 1000):
                    raise Gone from None
            except OSError:
                raise Gone from None


class Server:
    """serve() never returns: the process ends when it has drained after SIGTERM."""

    def __init__(self, bundle, concurrency):
        self.bundle = bundle
        self._calls_max = concurrency or UNLIMITED_CALLS_MAX
        self._threads_max = self._calls_max + 1 if self._calls_max > 1 else 1
        self._lock = allocate_lock()
        # All below is guarded by the lock.
        self._threads = 1
        self._waiting = 0  # threads in epoll
        self._calls = 0
        self._deferred = deque()  # (connection, request) beyond calls_max; at most one per connection
        self._connections = {}
        self._accepting = False
        self._draining = False
        self._epoll = select.epoll()
        self._listener = None
        self._listener_descriptor = -1
        self._wake = -1
        self._loop = None

    def catch_signals(self):
        """SIGTERM and SIGINT drain, whichever thread they find and also before serve() is called."""
        self._wake, write_end = posix.pipe()
        posix.set_blocking(self._wake, False)
        posix.set_blocking(write_end, False)
        signals.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signals.SIGTERM, signals.SIGINT):
            signals.signal(number, _note_signal)

    def serve(self, listener):
        self._listener = listener
        self._listener_descriptor = listener.fileno()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._epoll.register(self._listener_descriptor, select.EPOLLIN)
        self._accepting = True
        self._work(is_main=True)

    def run_coroutine(self, coroutine):
        """Waits for what an async hook, or a plain function that returned an awaitable, asks for. All of
        them share one event loop in a thread of its own."""
        import asyncio

        async def run():
            return await coroutine

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                start_new_thread(self._loop.run_forever, ())
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    # Threads ------------------------------------------------------------------------------------------

    def _work(self, is_main=False):
        poll = self._epoll.poll
        while True:
            with self._lock:
                if not is_main and self._waiting >= IDLE_THREADS_MAX:
                    self._threads -= 1
                    return
                self._waiting += 1
            events = poll(-1, 1)
            with self._lock:
                self._waiting -= 1
            for descriptor, _ in events:
                if descriptor == self._wake:
                    self._drain()
                elif descriptor == self._listener_descriptor:
                    self._accept()
                else:
                    with self._lock:
                        connection = self._connections.get(descriptor)
                        if connection is None or connection.is_owned:
                            continue
                        connection.is_owned = True
                    self._read(connection)

    def _add_thread_if_last(self):
        with self._lock:
            if self._waiting or self._threads >= self._threads_max:
                return
            self._threads += 1
        try:
            start_new_thread(self._work, ())
        except RuntimeError:  # the limit of processes is reached: serve on with what there is
            with self._lock:
                self._threads -= 1

    # Connections --------------------------------------------------------------------------------------

    def _accept(self):
        """False if nobody was waiting."""
        try:
            descriptor, _ = self._listener._accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return False
        except OSError:
            # Out of descriptors, or closed by a drain meanwhile. Try again when a connection has closed.
            with self._lock:
                self._stop_accepting()
            return False
        socket = sockets.socket(fileno=descriptor)
        socket.setblocking(False)
        if socket.family != sockets.AF_UNIX:
            socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        connection = Connection(socket)
        with self._lock:
            self._connections[connection.descriptor] = connection
            if len(self._connections) >= CONNECTIONS_MAX:
                self._stop_accepting()
        self._epoll.register(connection.descriptor, select.EPOLLONESHOT)  # armed by _park
        self._read(connection)  # a client that connects has mostly written too
        return True

    def _stop_accepting(self):
        if self._accepting:
            self._accepting = False
            self._epoll.unregister(self._listener_descriptor)

    def _park(self, connection):
        """Gives the connection back to epoll."""
        with self._lock:
            if self._draining and (connection.is_discarding or connection.parser.is_idle()):
                close = True
            else:
                close = False
                connection.is_owned = False
                self._epoll.modify(connection.descriptor, _ONCE)
        if close:
            self._close(connection)

    def _close(self, connection):
        with self._lock:
            if not connection.is_open:
                return
            connection.is_open = False
            del self._connections[connection.descriptor]
            connection.socket.close()
            if self._draining:
                last = not self._connections
            else:
                last = False
                if not self._accepting:
                    self._accepting = True
                    self._epoll.register(self._listener_descriptor, select.EPOLLIN)
        if last:
            self._finish()

    def _drain(self):
        """Takes in what has already been sent, closes what is idle; the rest closes with its answer."""
        try:
            posix.read(self._wake, 4096)
        except BlockingIOError:
            return
        with self._lock:
            if self._draining:
                return
        while self._accepting and self._accept():
            pass
        with self._lock:
            self._draining = True
            self._stop_accepting()
            self._listener.close()
            self._listener_descriptor = -1
            idle = [each for each in self._connections.values() if not each.is_owned]
            for connection in idle:
                connection.is_owned = True
            nothing_left = not self._connections
        if nothing_left:
            self._finish()
        for connection in idle:
            self._read(connection)

    def _finish(self):
        from tidemill._main import finish

        finish(self)

    # Requests -----------------------------------------------------------------------------------------

    def _read(self, connection):
        """Reads what is there and answers what is whole. The connection is owned by this thread."""
        try:
            data = connection.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return self._park(connection)
        except OSError:
            data = b""
        if not data:
            return self._close(connection)
        if connection.is_discarding:
            return self._park(connection)
        connection.parser.feed(data)
        self._run(connection)

    def _run(self, connection):
        """Calls what the connection asks for, then what had to wait for a free call; then returns."""
        request = self._next_request(connection)
        if request is None:
            return
        with self._lock:
            if self._calls >= self._calls_max:
                self._deferred.append((connection, request))
                return
            self._calls += 1
        while True:
            self._add_thread_if_last()
            if self._call(connection, request):
                request = self._next_request(connection)
            else:
                request = None
                self._close(connection)
            with self._lock:
                if request is not None:
                    self._deferred.append((connection, request))
                if not self._deferred:
                    self._calls -= 1
                    return
                connection, request = self._deferred.popleft()

    def _next_request(self, connection):
        """The next request for the function, or None: then the connection is parked or closed."""
        while True:
            try:
                request = connection.parser.next()
            except Rejected as error:
                self._reject(connection, error)
                return None
            if request is not None and request.path != READY_PATH:
                return request
            try:
                if request is None:
                    if connection.parser.wants_continue:
                        connection.parser.wants_continue = False
                        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                    self._park(connection)
                    return None
                keep = self._send_answer(connection, request, answer_of("ready\n"), None)
            except Gone:
                keep = False
            if not keep:
                self._close(connection)
                return None

    def _call(self, connection, request):
        """True if the connection may go on."""
        function = self.bundle.find(request.path)
        if function is None:
            answer = failure(404, "no function of this project serves %s" % request.path, "NoSuchFunction")
            return self._send_answer(connection, request, answer, None)
        try:
            result = function.call(request, function.context.for_request(request))
            if hasattr(result, "__await__"):
                result = self.run_coroutine(result)
            answer = answer_of(result)
            if answer.is_async:
                answer.body = self._iterate(answer.body)
        except BaseException as error:
            answer = failure_of(error, function.name)
        return self._send_answer(connection, request, answer, function)

    def _iterate(self, stream):
        while True:
            try:
                yield self.run_coroutine(stream.__anext__())
            except StopAsyncIteration:
                return

    def _send_answer(self, connection, request, answer, function):
        stream = answer.body if answer.is_stream else None
        try:
            first = next(stream, None) if stream is not None and request.method != "HEAD" else None
            close = self._draining or not request.keep_alive
            head, framing = head_of(answer, request, close)
            pieces = StreamFraming(framing, answer.length) if stream is not None else None
            if first is not None:
                first = pieces.piece(first)
        except BaseException as error:
            _close_stream(stream)
            stream = None
            answer = failure_of(error, function.name)
            close = self._draining or not request.keep_alive
            head, framing = head_of(answer, request, close)
        try:
            if stream is not None:
                if framing == "none":
                    connection.send(head)
                else:
                    self._send_stream(connection, head, first, stream, pieces)
                return not close and framing != "close"
            if framing == "none":
                connection.send(head)
            elif len(answer.body) <= WRITE_BYTES:
                connection.send(head + answer.body)
            else:
                connection.send(head)
                connection.send(answer.body)
            return not close
        except Gone:
            return False
        except BaseException as error:
            # The status is sent; a body cut short is the only sign of failure that is left.
            report(error, "%s failed while streaming" % function.name)
            return False
        finally:
            _close_stream(stream)

    @staticmethod
    def _send_stream(connection, head, first, stream, pieces):
        if first is None:
            connection.send(head + pieces.end())
            return
        connection.send(head + first)
        for value in stream:
            data = pieces.piece(value)
            if data:
                connection.send(data)
        data = pieces.end()
        if data:
            connection.send(data)

    def _reject(self, connection, error):
        answer = failure(error.status, str(error), "BadRequest")
        head, _ = head_of(answer, None, close=True)
        try:
            connection.send(head + answer.body)
            connection.socket.shutdown(sockets.SHUT_WR)
        except (Gone, OSError):
            self._close(connection)
            return
        # A close with unread input resets the connection and may take the answer with it, so what still
        # comes is read and dropped until the client closes.
        connection.is_discarding = True
        self._park(connection)


def _close_stream(stream):
    if stream is not None and hasattr(stream, "close"):
        try:
            stream.close()
        except BaseException as error:
            report(error, "closing a stream failed")


def _note_signal(number, frame):
    """The signal has already been written to the wakeup descriptor; this keeps it from its default."""
