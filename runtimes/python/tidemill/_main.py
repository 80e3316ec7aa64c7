"""Starts the function of the working directory and serves it until SIGTERM. See runtimes/README.md."""
import posix
import sys

from tidemill import _load
from tidemill._load import StartFailure


class Settings:
    """What the environment says about listening and concurrency."""

    __slots__ = ("concurrency", "family", "descriptor", "path", "port")

    def __init__(self, environ):
        self.concurrency = _number(environ, "TIDEMILL_CONCURRENCY", 0, 100000) or 0
        self.descriptor = _number(environ, "TIDEMILL_LISTEN_FD", 0, 1 << 20)
        self.path = environ.get("TIDEMILL_SOCKET", "")
        self.port = _number(environ, "PORT", 1, 65535)
        if self.descriptor is None and not self.path and self.port is None:
            raise StartFailure(_load.BAD_ENVIRONMENT, "nowhere to listen: none of TIDEMILL_LISTEN_FD, "
                               "TIDEMILL_SOCKET and PORT is set.\nTo try the function by hand: PORT=8080.")


def _number(environ, name, least, most):
    text = environ.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise StartFailure(_load.BAD_ENVIRONMENT,
                           "%s is not a number from %d to %d: %s" % (name, least, most, text))
    return int(text)


def _listen(settings):
    """A listening non-blocking socket."""
    import _socket as sockets

    where = ""
    try:
        if settings.descriptor is not None:
            where = "the descriptor %d (TIDEMILL_LISTEN_FD)" % settings.descriptor
            listener = sockets.socket(fileno=settings.descriptor)
            if not listener.getsockopt(sockets.SOL_SOCKET, sockets.SO_ACCEPTCONN):
                raise OSError("the socket is not listening")
            posix.set_inheritable(settings.descriptor, False)
        elif settings.path:
            where = "%s (TIDEMILL_SOCKET)" % settings.path
            try:
                posix.unlink(settings.path)  # left by a process that was killed
            except FileNotFoundError:
                pass
            listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_CLOEXEC)
            listener.bind(settings.path)
            listener.listen(1024)
        else:
            where = "0.0.0.0:%d (PORT)" % settings.port
            listener = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM | sockets.SOCK_CLOEXEC)
            listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
            listener.bind(("0.0.0.0", settings.port))
            listener.listen(1024)
    except OSError as error:
        raise StartFailure(_load.CANNOT_LISTEN, "cannot listen on %s: %s" % (where, error)) from None
    listener.setblocking(False)
    return listener


def main():
    # A line of the log is one write, and nothing waits in a buffer when the process is killed or frozen.
    sys.stdout.reconfigure(line_buffering=True)
    sys.stderr.reconfigure(line_buffering=True, write_through=True)
    # posix, not os: of all that os brings (1.4 ms) only its functions are needed here.
    environ = {name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
               for name, value in posix.environ.items()}
    try:
        settings = Settings(environ)
        bundle = _load.load(environ)
        if bundle.needs_loop:
            from tidemill._serve_async import AsyncServer as Server
        else:
            from tidemill._serve import Server
        server = Server(bundle, settings.concurrency)
        # Before the hooks, so that a SIGTERM that comes during a long init is kept, not deadly.
        server.catch_signals()
        for hook in ("init", "after_fork"):
            try:
                bundle.run_hook(hook, server.run_coroutine)
            except BaseException as error:
                from tidemill._answer import report

                report(error, "the %s hook failed" % hook)
                raise StartFailure(_load.INIT_FAILED, "the %s hook failed: %s: %s"
                                   % (hook, type(error).__name__, error)) from None
        listener = _listen(settings)
    except StartFailure as failure:
        sys.stderr.write("tidemill: cannot start: %s\n" % failure)
        sys.stdout.flush()
        posix._exit(failure.status)  # threads that the module started cannot keep a dead function alive
    server.serve(listener)


def finish(server):
    """Runs the shutdown hooks and ends the process; called by whichever thread finished the last call."""
    status = 0
    try:
        server.bundle.run_hook("shutdown", server.run_coroutine)
    except BaseException as error:
        from tidemill._answer import report

        report(error, "the shutdown hook failed")
        status = _load.SHUTDOWN_FAILED
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    posix._exit(status)  # not sys.exit: idle threads wait in poll for ever
