"""JSON without the json package, whose import costs 8 ms of a cold start (the regular expressions of its
decoder). The C scanner and encoder inside it need none, but are no public names: where a Python has them
not in this form, or json is loaded anyway, the package does the work."""
import sys

_encode = None
_scan = None


class _Rules:
    """What json.decoder.JSONDecoder would tell the scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo = None

    @staticmethod
    def parse_constant(name):
        raise ValueError("%s is not JSON" % name)


def _refuse(value):
    raise TypeError("a value of type %s cannot be written as JSON" % type(value).__name__)


def encode(value):
    """JSON text of value, ASCII and compact. TypeError or ValueError for what JSON cannot say."""
    global _encode
    if "json" not in sys.modules:
        try:
            if _encode is None:
                from _json import encode_basestring_ascii, make_encoder

                _encode = make_encoder(None, _refuse, encode_basestring_ascii, None, ":", ",",
                                       False, False, False)
        except (ImportError, TypeError, AttributeError):
            pass
        else:
            return "".join(_encode(value, 0))
    import json

    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def decode(text):
    """The value of JSON text or UTF-8 bytes. ValueError if it is not JSON."""
    global _scan
    if not isinstance(text, str):
        text = text.decode("utf-8")
    if "json" not in sys.modules:
        try:
            if _scan is None:
                from _json import make_scanner

                _scan = make_scanner(_Rules)
        except (ImportError, TypeError, AttributeError):
            pass
        else:
            stripped = text.strip(" \t\r\n")
            try:
                value, end = _scan(stripped, 0)
                if end == len(stripped):
                    return value
            except (StopIteration, ValueError, SystemError):
                pass  # the scanner needs the package to say what is wrong, so let it say so
    import json

    return json.loads(text, parse_constant=_Rules.parse_constant)
