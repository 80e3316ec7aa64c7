"""Finds and imports what TIDEMILL_HANDLER or TIDEMILL_FUNCTIONS name, and runs the hooks."""
import posix
import sys

from tidemill import Context
from tidemill._answer import report

# Exit statuses, one per way in which a start can fail. runtimes/README.md is their public list; Node uses
# the same.
NO_HANDLER_FILE = 70
IMPORT_FAILED = 71
NO_SUCH_FUNCTION = 72
NOT_CALLABLE = 73
INIT_FAILED = 74
CANNOT_LISTEN = 75
BAD_ENVIRONMENT = 76
SHUTDOWN_FAILED = 77

DEFAULT_FILES = ("handler.py", "main.py", "app.py", "function.py")
DEPENDENCIES = ".tidemill/python"

_IS_COROUTINE = 0x80 | 0x200  # CO_COROUTINE, CO_ASYNC_GENERATOR; the inspect module costs 5 ms


class StartFailure(Exception):
    """The function cannot be served; the process ends with this status after printing the message."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Module:
    """One handler file with its hooks and its state."""

    __slots__ = ("name", "module", "state", "context")

    def __init__(self, name, module, make_context):
        self.name = name
        self.module = module
        self.context = make_context(name, {})
        self.state = self.context.state


class Function:
    """A handler with the path prefix that it serves ("/" for all)."""

    __slots__ = ("prefix", "call", "is_async", "context", "name")

    def __init__(self, prefix, call, name, context):
        self.prefix = prefix
        self.call = call
        self.name = name
        self.is_async = is_async(call)
        self.context = context


class Bundle:
    """All functions of the bundle, longest prefix first."""

    def __init__(self, functions, modules):
        self.functions = sorted(functions, key=lambda function: -len(function.prefix))
        self.modules = modules
        self._single = functions[0] if len(functions) == 1 and functions[0].prefix == "/" else None
        self.needs_loop = any(function.is_async for function in functions)

    def find(self, path):
        """The function for a path, or None. A prefix ends at a slash: /a serves /a and /a/b, not /ab."""
        if self._single is not None:
            return self._single
        for function in self.functions:
            prefix = function.prefix
            if prefix == "/" or path == prefix or path.startswith(prefix + "/"):
                return function
        return None

    def run_hook(self, hook, run_coroutine):
        """Calls the hook of every file that has one, in order of loading. Raises what the hook raises."""
        for module in self.modules:
            call = getattr(module.module, hook, None)
            if call is not None and callable(call):
                result = call(module.context)
                if hasattr(result, "__await__"):
                    run_coroutine(result)


def is_async(call):
    """True if calling gives a coroutine or an asynchronous generator."""
    while hasattr(call, "func"):  # functools.partial
        call = call.func
    code = getattr(call, "__code__", None)
    if code is None:
        code = getattr(getattr(type(call), "__call__", None), "__code__", None)
    return code is not None and bool(code.co_flags & _IS_COROUTINE)


def is_file(path):
    return _kind(path) == 0o100000  # S_IFREG


def is_directory(path):
    return _kind(path) == 0o040000  # S_IFDIR


def _kind(path):
    try:
        return posix.stat(path).st_mode & 0o170000
    except OSError:
        return 0


def load(environ):
    """The bundle in the working directory. Raises StartFailure with a message for the person who wrote it."""
    root = posix.getcwd()
    _prepare_path(root, environ)
    wanted = _wanted(environ, root)
    modules = {}

    def context(name, state):
        return Context(environ.get("K_SERVICE", ""), environ.get("K_REVISION", ""),
                       environ.get("K_CONFIGURATION", ""), name, state)

    functions = []
    for prefix, file, name in wanted:
        module = modules.get(file)
        if module is None:
            module = modules[file] = Module(file, _import(file, root), context)
        label = "%s:%s" % (file, name)
        functions.append(Function(prefix, _function(module.module, file, name), label,
                                  context(label, module.state)))
    return Bundle(functions, list(modules.values()))


def _prepare_path(root, environ):
    # The bundle's own files win over its dependencies, those over the standard library's neighbours, as if
    # the file had been run as a script. The interpreter is started without the site module.
    front = [root]
    dependencies = root + "/" + DEPENDENCIES
    if is_directory(dependencies):
        front.append(dependencies)
    front += [path for path in environ.get("PYTHONPATH", "").split(":") if path]
    sys.path[0:0] = front
    if len(front) > 1 and front[1] == dependencies:
        if any(name.endswith(".pth") for name in posix.listdir(dependencies)):
            import site

            site.addsitedir(dependencies)


def _wanted(environ, root):
    table = environ.get("TIDEMILL_FUNCTIONS", "")
    if not table:
        return [("/",) + _split(environ.get("TIDEMILL_HANDLER", ""), root)]
    from tidemill import _json_text

    try:
        functions = _json_text.decode(table)
        well_formed = isinstance(functions, dict) and bool(functions) and all(
            prefix.startswith("/") and isinstance(handler, str) and handler
            for prefix, handler in functions.items())
    except ValueError:
        well_formed = False
    if not well_formed:
        raise StartFailure(BAD_ENVIRONMENT, 'TIDEMILL_FUNCTIONS is not a JSON object of path prefix and '
                           'handler, like {"/orders": "orders.py:handle"}: %s' % table)
    return [(prefix.rstrip("/") or "/",) + _split(handler, root) for prefix, handler in functions.items()]


def _split(handler, root):
    """(file, function) of a handler name; the file is relative to the bundle."""
    if not handler:
        return _default_file(root), "handle"
    where, colon, name = handler.rpartition(":")
    if not colon:
        where, name = handler, "handle"
    if where.endswith(".py"):
        file = where[2:] if where.startswith("./") else where
    else:
        file = where.replace(".", "/") + ".py"
        if not is_file(root + "/" + file) and is_file(root + "/" + file[:-3] + "/__init__.py"):
            file = file[:-3] + "/__init__.py"
    if not where or not name or file.startswith("/") or ".." in file.split("/"):
        raise StartFailure(BAD_ENVIRONMENT, "TIDEMILL_HANDLER is module:function or file.py:function inside "
                           "the bundle, not %r" % handler)
    if not is_file(root + "/" + file):
        raise StartFailure(NO_HANDLER_FILE, "the handler %s names the file %s, which is not in the bundle.\n%s\n"
                           "Set TIDEMILL_HANDLER to a file that is there." % (handler, file, _listing(root)))
    return file, name


def _default_file(root):
    present = [file for file in DEFAULT_FILES if is_file(root + "/" + file)]
    for file in present:
        with open(root + "/" + file, "rb") as source:
            if b"handle" in source.read():
                return file
    if present:
        return present[0]
    raise StartFailure(NO_HANDLER_FILE, "no handler file: looked for %s.\n%s\nName one of these files handler.py, "
                       "or set TIDEMILL_HANDLER=file.py:function."
                       % (", ".join(DEFAULT_FILES), _listing(root)))


def _listing(root):
    names = sorted(name for name in posix.listdir(root) if not name.startswith("."))
    if not names:
        return "The bundle is empty."
    more = "" if len(names) <= 20 else ", and %d more" % (len(names) - 20)
    return "The bundle holds: %s%s." % (", ".join(names[:20]), more)


def _import(file, root):
    name = file[:-3].replace("/", ".")
    if name.endswith(".__init__"):
        name = name[: -len(".__init__")]
    try:
        __import__(name)
        module = sys.modules[name]
    except BaseException as error:
        report(error, "importing %s failed" % file)
        raise StartFailure(IMPORT_FAILED, "importing %s failed: %s: %s%s"
                           % (file, type(error).__name__, error, _hint(error, root))) from None
    found = getattr(module, "__file__", None) or ""
    if not found.startswith(root):
        raise StartFailure(IMPORT_FAILED, "importing %s gave the module %s of %s instead. Name the file "
                           "differently: its name is taken by a module of Python itself."
                           % (file, name, found or "the interpreter"))
    return module


def _hint(error, root):
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    package = error.name.partition(".")[0]
    if is_file(root + "/requirements.txt") and not is_directory(root + "/" + DEPENDENCIES):
        return ("\nThe bundle has a requirements.txt but no installed dependencies (%s): build it again, or "
                "run: pip install -r requirements.txt --target %s" % (DEPENDENCIES, DEPENDENCIES))
    return "\nAdd the package that provides %r to requirements.txt and deploy again." % package


def _function(module, file, name):
    function = getattr(module, name, None)
    if function is None:
        names = sorted(key for key, value in vars(module).items()
                       if callable(value) and getattr(value, "__module__", "") == module.__name__)
        raise StartFailure(NO_SUCH_FUNCTION, "%s has no function %r. It defines: %s.\nWrite `def %s(request, "
                           "context):` in it, or set TIDEMILL_HANDLER=%s:name."
                           % (file, name, ", ".join(names) or "no function", name, file))
    if not callable(function):
        raise StartFailure(NOT_CALLABLE, "%r in %s is %s, not a function. Write `def %s(request, context):`."
                           % (name, file, type(function).__name__, name))
    code = getattr(function, "__code__", None)
    if code is not None:
        takes = code.co_argcount - (1 if hasattr(function, "__self__") else 0)
        needs = takes - len(function.__defaults__ or ())
        # 0x04 is CO_VARARGS. A decorated function shows its wrapper, which takes anything.
        if needs > 2 or (takes < 2 and not code.co_flags & 0x04):
            raise StartFailure(NOT_CALLABLE, "%s in %s takes %d arguments, and is called with two.\nWrite "
                               "`def %s(request, context):`." % (name, file, takes, name))
    return function
