"""What a function sees: Request, Response, Context.

Every module that this package imports is paid for by each cold start, so the standard library's heavier
parts (json, urllib, logging, traceback) are loaded on first use or not at all.
"""
import sys
import time
from posix import urandom

__all__ = ["BadInput", "Context", "Headers", "Query", "Request", "Response"]


class BadInput(ValueError):
    """The caller's mistake: answered as 400 with this message instead of 500."""


class Headers:
    """Header fields in the order they came; names compare without case.

    A repeated field is joined with ", " ("; " for Cookie) by [] and get(); get_all() keeps it apart.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields=()):
        joined = {}
        for name, value in fields:
            joined.setdefault(name.lower(), []).append(value)
        self._fields = joined

    def get(self, name, default=None):
        values = self._fields.get(name.lower())
        if values is None:
            return default
        if len(values) == 1:
            return values[0]
        return ("; " if name.lower() == "cookie" else ", ").join(values)

    def get_all(self, name):
        return list(self._fields.get(name.lower(), ()))

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name):
        return name.lower() in self._fields

    def __iter__(self):
        return iter(self._fields)

    def __len__(self):
        return len(self._fields)

    def keys(self):
        return self._fields.keys()

    def items(self):
        return [(name, self.get(name)) for name in self._fields]

    def __repr__(self):
        return "Headers(%r)" % (self.items(),)


class Query(dict):
    """The decoded query. [] and get() give the first value of a repeated name, get_all() every value."""

    def __init__(self, raw):
        super().__init__()
        self._all = {}
        for pair in raw.split("&"):
            if pair:
                name, _, value = pair.partition("=")
                name, value = _unquote(name), _unquote(value)
                self.setdefault(name, value)
                self._all.setdefault(name, []).append(value)

    def get_all(self, name):
        return list(self._all.get(name, ()))


def _unquote(text):
    """Decodes a query component; a % that no two hex digits follow stays as it is, as in browsers."""
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    first, *rest = text.encode("latin-1").split(b"%")
    decoded = bytearray(first)
    for part in rest:
        digits = part[:2]
        if len(digits) == 2 and not digits.translate(None, b"0123456789abcdefABCDEF"):
            decoded.append(int(digits, 16))
            decoded += part[2:]
        else:
            decoded += b"%" + part
    return decoded.decode("utf-8", "replace")


class Request:
    """One call. Read-only by convention; the body is complete when the function is called.

    method        as sent, "GET"
    path          as sent, without the query, not decoded: "/a%2Fb"
    query_string  as sent, without "?"
    query         Query, decoded
    headers       Headers
    body          bytes
    """

    __slots__ = ("method", "path", "query_string", "version", "headers", "body", "_query", "keep_alive")

    def __init__(self, method, path, query_string, version, headers, keep_alive=True):
        self.method = method
        self.path = path
        self.query_string = query_string
        self.version = version
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = b""
        self._query = None

    @property
    def query(self):
        if self._query is None:
            self._query = Query(self.query_string)
        return self._query

    def text(self):
        """The body in the charset that Content-Type names, else UTF-8. BadInput if it is not that."""
        content_type = self.headers.get("content-type", "")
        _, found, charset = content_type.lower().partition("charset=")
        charset = charset.partition(";")[0].strip().strip('"') if found else "utf-8"
        try:
            return str(self.body, charset)
        except (UnicodeDecodeError, LookupError) as error:
            raise BadInput("the request body is not %s text: %s" % (charset, error)) from None

    def json(self):
        """The body as JSON. BadInput if it is not JSON."""
        from tidemill import _json_text

        try:
            return _json_text.decode(self.body)
        except ValueError as error:
            raise BadInput("the request body is not JSON: %s" % error) from None

    def __repr__(self):
        return "<Request %s %s>" % (self.method, self.path)


class Response:
    """An answer with everything said: body as a function may return it, status, headers.

    headers is a dict, or a list of pairs where a name (Set-Cookie) may come twice.
    """

    __slots__ = ("body", "status", "headers")

    def __init__(self, body=b"", status=200, headers=()):
        self.body = body
        self.status = status
        self.headers = headers


class Logger:
    """Writes one JSON object per line to stderr; extra keywords become fields of it.

    message is formatted with % when positional arguments are given.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields):
        self._fields = fields

    def debug(self, message, *args, **fields):
        self._write("debug", message, args, fields)

    def info(self, message, *args, **fields):
        self._write("info", message, args, fields)

    def warning(self, message, *args, **fields):
        self._write("warning", message, args, fields)

    def error(self, message, *args, **fields):
        self._write("error", message, args, fields)

    def exception(self, message, *args, **fields):
        """error() with the stack of the exception being handled."""
        import traceback

        fields["stack"] = traceback.format_exc()
        self._write("error", message, args, fields)

    def _write(self, level, message, args, fields):
        from tidemill import _json_text

        message = str(message)
        line = {"level": level, "message": message % args if args else message}
        line.update(self._fields)
        for name, value in fields.items():
            line[name] = value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
        sys.stderr.write(_json_text.encode(line) + "\n")


# What a function passes on when it calls others, so that one trace and one request id span them all.
PROPAGATED = ("traceparent", "tracestate", "baggage", "x-request-id", "x-request-deadline", "b3",
              "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags")


class Context:
    """Where and for whom the function runs.

    service, revision, configuration   names of what is deployed (K_SERVICE, K_REVISION, K_CONFIGURATION)
    function     the handler that was chosen, "orders.py:handle"
    state        a dict kept between calls of this process, one per handler file; hooks see the same
    request_id   from X-Request-Id, or made here; empty in hooks
    deadline     Unix time in seconds after which nobody waits for the answer, or None
    trace        headers to pass on in calls to others
    logger       structured log on stderr that carries the request id
    """

    __slots__ = ("service", "revision", "configuration", "function", "state", "deadline", "_headers",
                 "_request_id", "_logger")

    def __init__(self, service, revision, configuration, function, state):
        self.service = service
        self.revision = revision
        self.configuration = configuration
        self.function = function
        self.state = state
        self.deadline = None
        self._headers = None
        self._request_id = ""
        self._logger = None

    def for_request(self, request):
        """A context of the same function for one call. BadInput if its deadline is unreadable."""
        made = Context(self.service, self.revision, self.configuration, self.function, self.state)
        headers = made._headers = request.headers
        made._request_id = headers.get("x-request-id") or urandom(8).hex()
        deadline = headers.get("x-request-deadline")
        if deadline is not None:
            try:
                made.deadline = float(deadline)
            except ValueError:
                made.deadline = float("nan")
            if not 0 <= made.deadline < 1e12:
                raise BadInput("X-Request-Deadline is not a Unix time in seconds: %s" % deadline)
        return made

    @property
    def request_id(self):
        return self._request_id

    @property
    def trace(self):
        headers = self._headers
        if headers is None:
            return {}
        found = {name: headers[name] for name in PROPAGATED if name in headers}
        found["x-request-id"] = self._request_id
        return found

    @property
    def logger(self):
        if self._logger is None:
            fields = {"service": self.service, "revision": self.revision, "function": self.function}
            if self._headers is not None:
                fields["request_id"] = self._request_id
                parent = self._headers.get("traceparent", "").split("-")
                if len(parent) >= 4:
                    fields["trace_id"] = parent[1]
            self._logger = Logger(fields)
        return self._logger

    def remaining(self):
        """Seconds until the deadline, never below 0, or None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.time())
