"""What a test needs that not every system has: marks that skip it elsewhere, and say why."""

import importlib.util
import os
import sys

import pytest

NEEDS_FIFOS = pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="there are no named pipes among the files of this system"
)
NEEDS_SCRIPTS = pytest.mark.skipif(
    sys.platform == "win32", reason="a shell script is not a command on Windows"
)
NEEDS_POSIX_FILES = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has other names, modes and devices for files"
)
NEEDS_TERMINAL = pytest.mark.skipif(
    sys.platform == "win32" or importlib.util.find_spec("termios") is None,
    reason="a test cannot open a terminal on this system",
)
NEEDS_GROUPS = pytest.mark.skipif(
    not hasattr(os, "killpg"), reason="this system has no groups of processes"
)
