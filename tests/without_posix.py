"""A plugin for pytest, and a module to import first: it takes away what only POSIX systems have.

What uses any of it fails then, as it would on Windows. `signal.SIGKILL` stays, because Python's own
`subprocess` needs it here.
"""

import os
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

_SIGNALS = (
    *("SIGALRM", "SIGBUS", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGIO", "SIGIOT", "SIGPIPE", "SIGPROF"),
    *("SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2", "SIGVTALRM"),
    *("SIGWINCH", "SIGXCPU", "SIGXFSZ", "alarm", "getitimer", "pause", "pthread_kill"),
    *("pthread_sigmask", "setitimer", "siginterrupt", "sigpending", "sigtimedwait", "sigwait"),
)
_CALLS = (
    *("chown", "chroot", "fchdir", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid"),
    *("getgid", "getgroups", "getloadavg", "getpgid", "getpgrp", "getpriority", "getsid", "getuid"),
    *("initgroups", "killpg", "lchown", "mkfifo", "mknod", "nice", "openpty", "posix_fadvise"),
    *("posix_fallocate", "posix_spawn", "pread", "preadv", "pwrite", "pwritev", "readv"),
    *("sched_getaffinity", "sendfile", "setgid", "setpgid", "setsid", "setuid", "statvfs"),
    *("sysconf", "tcgetpgrp", "tcsetpgrp", "ttyname", "uname", "wait", "wait3", "wait4", "writev"),
)
_MODULES = ("fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")


def _take_away(module: Any, *names: str) -> None:
    for name in names:
        if hasattr(module, name):
            delattr(module, name)


def _pair(*_: object) -> tuple[socket.socket, socket.socket]:
    """Return two ends of a connection, as Python on Windows makes them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        return ours, server.accept()[0]


# `make docs` installs it, and then a plugin of pytest uses it: it needs `os.getuid` to be imported.
with suppress(ImportError):
    import_module("platformdirs")

_take_away(signal, *_SIGNALS)
_take_away(os, *_CALLS)
_take_away(socket, "AF_UNIX")
socket.socketpair = _pair  # type: ignore[assignment]  # it takes no family here
sys.modules.update(dict.fromkeys(_MODULES))  # type: ignore[arg-type]  # None: cannot be imported
