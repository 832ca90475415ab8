"""Have the zygote run a command with the streams and all other files of this process.

This text becomes the programs beside `Zygote.interpreter`: `lusid-publish ARGUMENTS`, and
`python -m MODULE ARGUMENTS`. What the zygote cannot run starts as usual. A signal to this process
does not reach the command.
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


def _outcome(folder: str, arguments: list[str], files: list[int], **program: str) -> int | None:
    """Return the exit code of `-m MODULE ARGUMENTS`, None when the zygote cannot run it."""
    request = {
        **program,
        "module": arguments[1].rpartition(".")[2],
        "arguments": arguments[2:],
        "cwd": os.getcwd(),  # noqa: PTH109  # pathlib takes as long as all the rest
        "environ": dict(os.environ),
        "files": files,
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.connect(f"{folder}/door")
        socket.send_fds(door, [json.dumps(request).encode()], files)
        if int(door.recv(16)) == 0:
            return None
        return int(door.recv(16))


if __name__ == "__main__":
    here, _, name = sys.argv[0].rpartition("/")
    given = sys.argv[1:]
    program = {}
    if name != "python":
        given = ["-m", f"lusid_image_publish.cli.{name.removeprefix('lusid-')}", *given]
        program = {"program": name}
    open_files = [file for file in range(_MAX_FILES) if _is_open(file)]
    code = None
    is_command = given[:1] == ["-m"] and given[1].startswith("lusid_image_publish.cli.")
    if is_command and _STREAMS.issubset(open_files):
        code = _outcome(here, given, open_files, **program)
    if code is None:
        os.execv(sys.executable, [sys.executable, *given])  # noqa: S606
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)
