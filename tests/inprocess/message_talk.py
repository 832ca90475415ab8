"""What a person types and is shown, as text that is the same in each run."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults import Answered
from tests.inprocess.network import scripted
from tests.inprocess.stage import MakeStage, Stage

GET: Final = r"/api/images/job(%3A|:)[^/]*$"
"""The path of get_image for the image `job`."""
PROGRAMS: Final = {"publish": "lusid-publish", "images": "lusid-images", "jobs": "lusid-jobs"}
_OF_A_RUN: Final = [
    (re.compile(r"\b\d+(\.\d+)? s\b"), "N s"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "RUN-ID"),
    (re.compile(r"Request id: [0-9a-f]{32}"), "Request id: ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC"), "DATE"),
]
"""What differs from run to run."""


@dataclass
class Talk:
    """A stage, and what was typed and shown on it, without the lines that are `usual`."""

    make_stage: MakeStage
    usual: frozenset[str] = frozenset()
    shown: list[str] = field(default_factory=list)
    _stage: Stage | None = None

    @property
    def stage(self) -> Stage:
        """The stage: an engine that has the image job:ci, and a LUSID without images."""
        return self._stage or self.set()

    def set(self, **options: Any) -> Stage:
        """Set the stage with `options`, see `staged`."""
        self._stage = self.make_stage(**options)
        self._stage.hold("job:ci")
        return self._stage

    def run(self, command: str, *arguments: str, **variables: str) -> None:
        """Type a command, and keep what it shows."""
        ended = self.stage.run(command, *arguments, variables=variables)
        given = [f"{name}={value!r}" for name, value in variables.items() if value]
        typed = " ".join(["$", *given, PROGRAMS[command], *map(_quoted, arguments)])
        code = [f"(exit code {ended.code})"] if ended.code else []
        lines = (ended.stderr + ended.stdout).splitlines()
        text = "\n".join([typed, *_unusual(lines, self.usual), *code])
        text = text.replace(str(self.stage.folder), "/home/me").replace("\x1b", "")
        for pattern, word in _OF_A_RUN:
            text = pattern.sub(word, text)
        self.shown.append(text)

    def publish(self, *options: str, source: str = "job:ci", **variables: str) -> None:
        """Publish job:1.0."""
        self.run("publish", source, "job:1.0", *options, **variables)

    def after_the_push(self, answer: Answered) -> None:
        """Let LUSID answer so when it is asked for the image after the push."""
        script = scripted("GET", GET, answer)
        self.stage.lusid.instead = lambda asked: script(asked) if self.stage.tags("job") else None


def _unusual(lines: list[str], usual: frozenset[str]) -> list[str]:
    """Return `lines` with an ellipsis for each row of usual ones."""
    shown: list[str] = []
    for line in lines:
        part = "    ..." if line in usual else line
        if shown[-1:] != [part] or part == line:
            shown.append(part)
    return shown


def _quoted(word: str) -> str:
    return f"'{word}'" if re.search(r"[ ;|()<>]", word) else word
