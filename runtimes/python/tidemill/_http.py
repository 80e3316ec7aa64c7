"""HTTP/1.1 requests out of bytes, without I/O. Rejects, never repairs: what two parsers could read in
two ways (a bare line feed, two lengths, a length and a coding, a folded line) is refused."""
from tidemill import Headers, Request

HEAD_BYTES_MAX = 64 * 1024
HEAD_FIELDS_MAX = 200
CHUNK_LINE_BYTES_MAX = 4096
BODY_BYTES_MAX = 256 * 1024 * 1024

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TARGET = bytes(range(0x21, 0x23)) + bytes(range(0x24, 0x7F))
_VALUE = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_HEX = b"0123456789abcdefABCDEF"
_DIGITS = b"0123456789"


class Rejected(Exception):
    """The connection cannot go on: answer with this status, then close."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def is_token(name):
    return bool(name) and not name.translate(None, _TOKEN)


def is_field_value(value):
    return not value.translate(None, _VALUE)


class Parser:
    """Bytes of one connection in by feed(), whole requests out by next().

    wants_continue is true while a request waits for "100 Continue" before it sends its body.
    """

    __slots__ = ("_buffer", "_scanned", "_request", "_left", "_chunks", "_body", "_trailer",
                 "wants_continue", "_body_bytes_max")

    def __init__(self, body_bytes_max=BODY_BYTES_MAX):
        self._buffer = bytearray()
        self._body_bytes_max = body_bytes_max
        self._reset()

    def _reset(self):
        self._scanned = 0
        self._request = None
        self._left = 0  # of the body, or of the chunk at hand
        self._chunks = None  # None, or where in the chunked coding we are
        self._body = None
        self._trailer = 0
        self.wants_continue = False

    def feed(self, data):
        self._buffer += data

    def is_idle(self):
        """True between requests: nothing has come of the next one."""
        return self._request is None and not self._buffer

    def buffered(self):
        return len(self._buffer)

    def next(self):
        """The next whole request, or None if more bytes are needed. Raises Rejected."""
        if self._request is None and not self._read_head():
            return None
        if self._chunks is None:
            done = len(self._buffer) >= self._left
            if done and self._left:
                with memoryview(self._buffer) as view:
                    self._request.body = bytes(view[: self._left])
                del self._buffer[: self._left]
        else:
            done = self._read_chunks()
            if done:
                self._request.body = bytes(self._body)
        if not done:
            if self._buffer or self._body:
                self.wants_continue = False  # the client did not wait
            return None
        request = self._request
        self._reset()
        return request

    def _read_head(self):
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0:
            self._scanned = len(buffer)
            if len(buffer) > HEAD_BYTES_MAX:
                raise Rejected(431, "the request head is over %d bytes" % HEAD_BYTES_MAX)
            # Refused at once, not when the head is whole: such a sender may never send what we wait for.
            if buffer and (buffer[0] <= 0x20 or b"\n" in buffer and b"\r\n" not in buffer):
                raise Rejected(400, "the request line is not HTTP")
            return False
        if end > HEAD_BYTES_MAX:
            raise Rejected(431, "the request head is over %d bytes" % HEAD_BYTES_MAX)
        lines = bytes(buffer[:end]).split(b"\r\n")
        del buffer[: end + 4]
        method, target, version = _parse_request_line(lines[0])
        if len(lines) > HEAD_FIELDS_MAX + 1:
            raise Rejected(431, "over %d header fields" % HEAD_FIELDS_MAX)
        headers = Headers([_parse_field(line) for line in lines[1:]])
        hosts = headers.get_all("host")
        if len(hosts) > 1 or (not hosts and version == "1.1"):
            raise Rejected(400, "exactly one Host header is needed")
        keep_alive = version == "1.1"
        if "connection" in headers:
            options = [option.strip().lower() for option in headers["connection"].split(",")]
            keep_alive = "close" not in options and (keep_alive or "keep-alive" in options)
        path, _, query = target.partition("?")
        self._request = Request(method, path, query, version, headers, keep_alive)
        self._find_body(headers, version)
        return True

    def _find_body(self, headers, version):
        lengths = headers.get_all("content-length")
        if "transfer-encoding" in headers:
            if lengths:
                raise Rejected(400, "both Content-Length and Transfer-Encoding")
            if version == "1.0":
                raise Rejected(400, "Transfer-Encoding in HTTP/1.0")
            if headers["transfer-encoding"].lower() != "chunked":
                raise Rejected(400, "the only transfer coding understood is chunked")
            self._chunks = "size"
            self._body = bytearray()
        elif lengths:
            digits = lengths[0].encode("latin-1")
            if len(lengths) > 1 or not digits or digits.translate(None, _DIGITS) or len(digits) > 18:
                raise Rejected(400, "Content-Length is not one number")
            self._left = int(digits)
            self._check_size(self._left)
        if "expect" in headers:
            if headers["expect"].lower() != "100-continue":
                raise Rejected(417, "the only expectation understood is 100-continue")
            self.wants_continue = version == "1.1" and (self._left > 0 or self._chunks is not None)

    def _check_size(self, size):
        if size > self._body_bytes_max:
            raise Rejected(413, "the request body is over %d bytes" % self._body_bytes_max)

    def _read_chunks(self):
        buffer = self._buffer
        while True:
            if self._chunks == "data":
                take = min(self._left, len(buffer))
                with memoryview(buffer) as view:
                    self._body += view[:take]
                del buffer[:take]
                self._left -= take
                if self._left:
                    return False
                self._chunks = "end"
            if self._chunks == "end":
                if len(buffer) < 2:
                    return False
                if buffer[:2] != b"\r\n":
                    raise Rejected(400, "a chunk is longer than it says")
                del buffer[:2]
                self._chunks = "size"
            line = self._read_line()
            if line is None:
                return False
            if self._chunks == "size":
                size, _, extension = line.partition(b";")
                if not size or len(size) > 16 or size.translate(None, _HEX) or not is_field_value(extension):
                    raise Rejected(400, "a chunk size is not a hexadecimal number")
                self._left = int(size, 16)
                self._check_size(len(self._body) + self._left)
                self._chunks = "data" if self._left else "trailer"
            elif line:  # trailer fields are checked and dropped: nothing may act on them unasked
                self._trailer += len(line)
                if self._trailer > HEAD_BYTES_MAX:
                    raise Rejected(431, "the trailer is over %d bytes" % HEAD_BYTES_MAX)
                _parse_field(line)
            else:
                return True

    def _read_line(self):
        end = self._buffer.find(b"\r\n")
        if end > CHUNK_LINE_BYTES_MAX or (end < 0 and len(self._buffer) > CHUNK_LINE_BYTES_MAX):
            raise Rejected(400, "a chunk line is over %d bytes" % CHUNK_LINE_BYTES_MAX)
        if end < 0:
            if b"\n" in self._buffer:
                raise Rejected(400, "a line feed without a carriage return")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line


def _parse_request_line(line):
    parts = line.split(b" ")
    if len(parts) != 3 or not is_token(parts[0]):
        raise Rejected(400, "the request line is not HTTP")
    method, target, version = parts
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if len(version) == 8 and version[:5] == b"HTTP/" and version[5:6].isdigit() and version[5:6] != b"1":
            raise Rejected(505, "only HTTP/1.1 and HTTP/1.0 are understood")
        raise Rejected(400, "the request line is not HTTP")
    if target.translate(None, _TARGET) or not (target[:1] == b"/" or target == b"*" and method == b"OPTIONS"):
        raise Rejected(400, "the request target is not a path")
    return method.decode("ascii"), target.decode("ascii"), version[5:].decode("ascii")


def _parse_field(line):
    name, colon, value = line.partition(b":")
    if not colon or not is_token(name):
        raise Rejected(400, "a header name is not a token")
    value = value.strip(b" \t")
    if not is_field_value(value):
        raise Rejected(400, "a header value holds a control character")
    return name.decode("ascii"), value.decode("latin-1")
