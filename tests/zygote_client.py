"""Have the zygote run `-m MODULE ARGUMENTS` with the streams and all other files of this process.

This text becomes the interpreter of `Zygote.interpreter`. A signal to this process does not reach
the command.
"""

import json
import os
import socket
import sys

_MAX_FILES = 64
_STREAMS = {0, 1, 2}


def _is_open(file: int) -> bool:
    try:
        os.fstat(file)
    except OSError:
        return False
    return True


def _outcome(module: str, arguments: list[str], files: list[int]) -> int | None:
    """Return how the command ended; None when the zygote cannot be it."""
    request = {
        "module": module.rpartition(".")[2],
        "arguments": arguments,
        "cwd": os.getcwd(),  # noqa: PTH109  # pathlib takes as long as all the rest
        "environ": dict(os.environ),
        "files": files,
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.connect(sys.argv[0].removesuffix("python") + "door")
        socket.send_fds(door, [json.dumps(request).encode()], files)
        if int(door.recv(16)) == 0:
            return None
        return int(door.recv(16))


if __name__ == "__main__":
    open_files = [file for file in range(_MAX_FILES) if _is_open(file)]
    code = None
    if _STREAMS.issubset(open_files):
        code = _outcome(sys.argv[2], sys.argv[3:], open_files)
    if code is None:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])  # noqa: S606
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)
