"""From what a function returned to the bytes of an answer."""
import sys

from tidemill import BadInput, Response, _json_text
from tidemill._http import is_field_value, is_token

_REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content",
            301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
            307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
            403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 410: "Gone",
            413: "Content Too Large", 417: "Expectation Failed", 422: "Unprocessable Content",
            429: "Too Many Requests", 431: "Request Header Fields Too Large",
            500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
            503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported"}
# Framing belongs to the shim; a function that sets one of these wants what it cannot have.
_FRAMING = frozenset(("transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer"))


class Answer:
    """Status, header lines and a body: bytes when whole, else an iterator (is_async: asynchronous)."""

    __slots__ = ("status", "lines", "body", "is_stream", "is_async", "length", "has_type")

    def __init__(self, status=200):
        self.status = status
        self.lines = []
        self.body = b""
        self.is_stream = False
        self.is_async = False
        self.length = None  # what the function said; None if it did not
        self.has_type = False


def answer_of(value):
    """What a function returned, as an Answer. TypeError or ValueError say what is wrong with it."""
    status, headers = 200, ()
    if isinstance(value, Response):
        value, status, headers = value.body, value.status, value.headers
    elif isinstance(value, tuple):
        if len(value) not in (2, 3):
            raise TypeError("a returned tuple is (body, status) or (body, status, headers), not %d items"
                            % len(value))
        headers = value[2] if len(value) == 3 else ()
        value, status = value[0], value[1]
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError("a status is a whole number from 200 to 599, not %r" % (status,))
    answer = Answer(int(status))
    if headers:
        _add_headers(answer, headers)
    content_type = _set_body(answer, value)
    if content_type and not answer.has_type:
        answer.lines.append("Content-Type: " + content_type)
    return answer


def _set_body(answer, value):
    if isinstance(value, str):
        answer.body = value.encode("utf-8")
        return "text/plain; charset=utf-8"
    if isinstance(value, (bytes, bytearray, memoryview)):
        answer.body = bytes(value)
        return "application/octet-stream"
    if value is None:
        if answer.status == 200:
            answer.status = 204
        return ""
    if isinstance(value, (dict, list, int, float)):
        answer.body = _json_text.encode(value).encode("ascii")
        return "application/json"
    if hasattr(value, "__anext__") or hasattr(value, "__next__"):
        answer.body = value
        answer.is_stream = True
        answer.is_async = hasattr(value, "__anext__")
        return "application/octet-stream"
    raise TypeError("a function returns str, bytes, dict, list, number, None, a generator, "
                    "(body, status[, headers]) or Response, not %s" % type(value).__name__)


def _add_headers(answer, headers):
    for name, value in headers.items() if hasattr(headers, "items") else headers:
        name, value = str(name), str(value)
        try:
            well_formed = is_token(name.encode("ascii")) and is_field_value(value.encode("latin-1"))
        except UnicodeEncodeError:
            well_formed = False
        if not well_formed:
            raise ValueError("the response header %r: %r cannot be sent: a name is a token, a value is "
                             "Latin-1 without control characters" % (name, value))
        lower = name.lower()
        if lower in _FRAMING:
            raise ValueError("the response header %s belongs to the connection and cannot be set" % name)
        if lower == "content-length":
            if not value.isdigit():
                raise ValueError("the response header Content-Length is not a number: %r" % value)
            answer.length = int(value)
            continue
        answer.has_type = answer.has_type or lower == "content-type"
        answer.lines.append("%s: %s" % (name, value))


def failure(status, message, kind):
    """An answer whose body is {"error", "type"}."""
    answer = Answer(status)
    answer.lines.append("Content-Type: application/json")
    answer.body = _json_text.encode({"error": message, "type": kind}).encode("ascii")
    return answer


def failure_of(error, where):
    """The answer to an exception: BadInput is the caller's mistake, all else goes to stderr with its
    stack, of which the client sees only message and type."""
    if isinstance(error, BadInput):
        return failure(400, str(error), "BadInput")
    report(error, "%s failed" % where)
    return failure(500, str(error), type(error).__name__)


def report(error, what):
    """Writes an exception with its stack to stderr, without the frames of the shim above it."""
    import traceback

    stack = error.__traceback__
    own = __file__.rpartition("/")[0]
    while stack is not None and stack.tb_next is not None \
            and stack.tb_frame.f_code.co_filename.startswith(own):
        stack = stack.tb_next
    text = "".join(traceback.format_exception(type(error), error, stack))
    sys.stderr.write("tidemill: %s\n%s" % (what, text))


def head_of(answer, request, close):
    """The head as bytes and how the body is to be framed: "none", "length", "chunked" or "close".

    request may be None (it could not be read). Raises ValueError if the function's Content-Length does not
    fit its whole body.
    """
    status = answer.status
    lines = ["HTTP/1.1 %d %s" % (status, _REASONS.get(status, ""))]
    lines += answer.lines
    head_only = request is not None and request.method == "HEAD"
    framing = "length"
    if status in (204, 304):
        framing = "none"
    elif not answer.is_stream:
        length = len(answer.body)
        if answer.length is not None and answer.length != length and not (head_only and length == 0):
            raise ValueError("Content-Length says %d, the body has %d bytes" % (answer.length, length))
        lines.append("Content-Length: %d" % (length if answer.length is None else answer.length))
    elif answer.length is not None:
        lines.append("Content-Length: %d" % answer.length)
    elif request is not None and request.version == "1.0":
        framing = "close"
        close = True
    else:
        framing = "chunked"
        lines.append("Transfer-Encoding: chunked")
    if head_only:
        framing = "none"
    if close:
        lines.append("Connection: close")
    elif request is not None and request.version == "1.0":
        lines.append("Connection: keep-alive")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1"), framing


class StreamFraming:
    """Frames the pieces of a stream. Raises TypeError for a piece that is neither str nor bytes, and
    ValueError when the pieces do not add up to the Content-Length that the function gave."""

    __slots__ = ("_chunked", "_left")

    def __init__(self, framing, length):
        self._chunked = framing == "chunked"
        self._left = length

    def piece(self, value):
        if isinstance(value, str):
            value = value.encode("utf-8")
        elif not isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError("a stream yields str or bytes, not %s" % type(value).__name__)
        value = bytes(value)
        if self._left is not None:
            self._left -= len(value)
            if self._left < 0:
                raise ValueError("the stream is longer than its Content-Length")
        if self._chunked and value:  # an empty chunk would end the body
            return b"%x\r\n%b\r\n" % (len(value), value)
        return value

    def end(self):
        if self._left:
            raise ValueError("the stream is %d bytes shorter than its Content-Length" % self._left)
        return b"0\r\n\r\n" if self._chunked else b""
