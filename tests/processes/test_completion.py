"""Real shells complete the commands as somebody types them on a terminal."""

import os
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.environment import OF_A_CI
from tests.fake_engine import FakeEngine, running
from tests.integration.parts import end_without

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = ("publish", "images", "jobs")
DEADLINE_SECONDS: Final = 120
SET_UP: Final = {
    "bash": ["bash", "--norc", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
ATTEMPTS: Final = 3  # on a busy machine an engine may take longer than a shell waits

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Have the commands, files, and an engine with two images; yield the variables for them."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        script = programs / f"lusid-{name}"
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'lusid-{name}'\n"
            f"from lusid_image_publish.cli.start import lusid_{name}\nlusid_{name}()\n"
        )
        script.chmod(0o755)
    work = tmp_path / "work"
    for folder in ("my dir", "jobs"):
        (work / folder).mkdir(parents=True)
        (work / folder / "Dockerfile").touch()
    (work / "image.tar").touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_CI)}
    images = {"job:ci": "sha256:1", "r.example:5000/team/x:1": "sha256:2"}
    with running(FakeEngine(tags=images), tmp_path) as engine:
        yield kept | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(work),
            "ZDOTDIR": str(work),
            "TERM": "dumb",
            "DOCKER_HOST": engine.url,
            "PS1": "$ ",
        }


def require(shell: str) -> str:
    """Return the path of a shell; the test is skipped where it is not installed, but not in CI."""
    path = shutil.which(shell)
    if path is None:
        end_without(f"there is no {shell} here", "REQUIRE_SHELLS")
    return path


@contextmanager
def typing_in(command: list[str], environ: dict[str, str]) -> Iterator["Terminal"]:
    """Start an interactive shell on a terminal."""
    import pty  # Windows has none

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        env=environ,
        cwd=environ["HOME"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(ours)
        finally:
            process.kill()
            os.close(ours)


class Terminal:
    """Types, and reads what is shown."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._number = 0

    def run(self, line: str) -> str:
        """Type a line with its Enter, and return what is shown until it is done."""
        self._number += 1
        end = f"END{self._number}"
        os.write(self._file, f"{line}\necho E''ND{self._number}\n".encode())
        return self._read_until(end)

    def complete(self, line: str) -> list[str]:
        """Type a line with a TAB, and return the words of the line after it."""
        # Ctrl-A and Ctrl-E go to the ends of the line: it is printed and not run.
        shown = self.run(f"{line}\t\x01printf '<%s>' \x05")
        printed = shown.rpartition("<lusid-")[2].rpartition(">")[0]
        return f"lusid-{printed}".split("><")

    def _read_until(self, text: str) -> str:
        shown = ""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while text not in shown:
            ready, _, _ = select.select([self._file], [], [], deadline - time.monotonic())
            assert ready, shown
            with suppress(UnicodeDecodeError):
                shown += os.read(self._file, 1 << 16).decode()
        return shown


CASES: Final = [
    ("lusid-publish ./im", ["./image.tar"]),
    ("lusid-publish ~/jo", ["HOME/jobs/"]),
    ("lusid-publish im", ["image.tar"]),
    ("lusid-publish my", ["my dir/"]),
    ("lusid-publish my\\ d", ["my dir/"]),
    ("lusid-publish im job:1 --report sarif=im", ["im", "job:1", "--report", "sarif=image.tar"]),
    ("lusid-publish --report=mark", ["--report=markdown"]),
    ("lusid-publish --config=im", ["--config=image.tar"]),
    ("lusid-publish --context jo", ["--context", "jobs/"]),
    ("lusid-images doc", ["doctor"]),
]


@pytest.mark.parametrize("shell", SET_UP)
def test_a_shell_completes_as_somebody_types(shell: str, environ: dict[str, str]) -> None:
    require(shell)
    with typing_in(SET_UP[shell], environ) as terminal:
        if shell == "zsh":
            terminal.run("autoload -U compinit; compinit -u -D")
        terminal.run(f'eval "$(lusid-images completion {shell})"')
        for line, words in CASES:
            expected = [word.replace("HOME", environ["HOME"]) for word in words]
            if shell == "zsh":  # it takes the slash away when something else is typed
                expected[-1] = expected[-1].rstrip("/")
            assert terminal.complete(line)[1:] == expected, line
        for line, image in (("job:", "job:ci"), ("r.ex", "r.example:5000/team/x:1")):
            tries = (terminal.complete(f"lusid-publish {line}") for _ in range(ATTEMPTS))
            assert any(words[1] == image for words in tries), image


def test_fish_completes_too(environ: dict[str, str]) -> None:
    fish = require("fish")
    for line, words in CASES:
        expected = words[-1].replace("HOME", "~")
        done = subprocess.run(
            [fish, "-c", f"lusid-images completion fish | source; complete -C {shlex.quote(line)}"],
            env=environ,
            cwd=environ["HOME"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert [shown.partition("\t")[0] for shown in done.stdout.splitlines()] == [expected], line
