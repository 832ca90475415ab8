"""GitHub Actions: log commands, annotations, step outputs and the job summary.

The runner acts on lines that begin with `::` after white space, and on `##[` anywhere in a line. So
commands are stopped while a group shows the output of another program. Every other text is only
made harmless, because each stop writes two lines to the log.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from lusid_image_publish.ci.ci_platform import CiPlatform, Level
from lusid_image_publish.redact import redact
from lusid_image_publish.text import without_commands

MAX_ANNOTATIONS: Final = 10
"""Annotations of one level that GitHub keeps of a step; later ones are dropped."""

MAX_SUMMARY_BYTES: Final = 2**20
"""The runner drops the whole summary of a step that has more."""

_WORDS_OF_OUTPUTS: Final = (
    *("true", "false", "COMPLETE", "ACTIVE", "PENDING", "IN_PROGRESS"),
    *("Succeeded", "Failed", "unknown"),
)
_MIN_MASK_CHARACTERS: Final = 4  # a shorter text occurs everywhere
_SHORT_HEX: Final = re.compile(r"[0-9a-f]{1,7}")


class GitHub(CiPlatform):
    """A step of a job; `environ` is the runner's.

    `shown` are texts of the outputs that are known at the start: GitHub empties an output that
    contains a masked text. `masks` says whether only the runner reads the log, so that secrets can
    be masked there. `token` returns an unguessable word.
    """

    is_ci = True
    has_annotations = True

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        shown: tuple[str, ...] = (),
        masks: bool = False,
        token: Callable[[], str] = lambda: os.urandom(16).hex(),
    ) -> None:
        self._environ = environ
        self._shown = (*shown, *_WORDS_OF_OUTPUTS)
        self._masks = masks
        self._new_token = token
        self._token = ""  # of the current stop, empty when the runner acts on commands
        self._is_in_group = False
        self._left = dict.fromkeys(("error", "warning", "notice"), MAX_ANNOTATIONS)
        self.is_debugged = environ.get("RUNNER_DEBUG") == "1"

    def begin(self, title: str, *, has_output: bool = False) -> list[str]:
        """Begin a group for output; without output show the title alone.

        The log shows a group folded, so that a result in it is not seen.
        """
        lines = self.end()
        if not has_output:
            return [*lines, *self.text(title)]
        self._is_in_group = True
        return [*lines, *self._command("group", title)]

    def end(self, result: str = "") -> list[str]:
        """End the group, if there is one."""
        if not self._is_in_group:
            return []
        self._is_in_group = False
        return [*(self.text(result) if result else []), *self._command("endgroup")]

    def text(self, text: str) -> list[str]:
        """Show a text, after the end of a stop: the log shows that end, and a result is last."""
        return [*self._resume(), *_harmless_lines(text)]

    def output(self, line: str) -> list[str]:
        """Show a line of another program; in a group stop commands before it."""
        if self._token or not self._is_in_group:
            return _harmless_lines(line)
        self._token = self._new_token()
        return [f"::stop-commands::{self._token}", *_harmless_lines(line)]

    def annotation(self, level: Level, title: str, text: str) -> list[str]:
        """Annotate the step; return nothing if it has the maximum of annotations."""
        if not self._left[level]:
            return []
        self._left[level] -= 1
        return self._command(level, redact(text), title=redact(title))

    def mask(self, secret: str) -> list[str]:
        """Mask each line of a secret, unless that could empty an output."""
        lines = filter(self._is_maskable, secret.splitlines() if self._masks else ())
        return [part for line in lines for part in self._command("add-mask", line)]

    def finish(self) -> list[str]:
        """End the group, and let the runner act on later commands of the step."""
        return [*self.end(), *self._resume()]

    def record(self, outputs: Mapping[str, str], summary: str) -> None:
        """Append to the files that the runner reads after the step."""
        if path := self._environ.get("GITHUB_OUTPUT"):
            end = self._new_token()
            lines = (f"{name}<<{end}\n{value}\n{end}\n" for name, value in outputs.items())
            _append(Path(path), "".join(lines))
        if path := self._environ.get("GITHUB_STEP_SUMMARY"):
            file = Path(path)
            size = file.stat().st_size if file.exists() else 0
            if size + len(summary.encode()) < MAX_SUMMARY_BYTES:
                _append(file, summary)

    def why_no_secrets(self) -> str:
        """Return why this run gets no secrets, if it is a pull request of that kind."""
        if self._environ.get("GITHUB_ACTOR") == "dependabot[bot]":
            return (
                "This run was started by Dependabot, which does not get the secrets of Actions, "
                "only those under Settings > Secrets and variables > Dependabot."
            )
        event = self._environ.get("GITHUB_EVENT_NAME", "")
        if (
            event.startswith("pull_request") and event != "pull_request_target"
        ):  # that one gets them
            head = _head_repository(self._environ.get("GITHUB_EVENT_PATH", ""))
            if head not in {"", self._environ.get("GITHUB_REPOSITORY")}:
                return "This is a pull request from a fork, and GitHub gives it no secrets."
        return ""

    def where_settings_are(self) -> str:
        """Return where a repository has its secrets and variables."""
        return (
            "A secret or a variable is missing or has another name, so its value is empty: check "
            "Settings > Secrets and variables > Actions, and the environment of the job. A "
            "reusable workflow needs `secrets: inherit`."
        )

    def _is_maskable(self, line: str) -> bool:
        is_in_an_output = any(line in text for text in self._shown)
        return len(line.strip()) >= _MIN_MASK_CHARACTERS and not (
            is_in_an_output or _SHORT_HEX.fullmatch(line)
        )

    def _command(self, name: str, data: str = "", **properties: str) -> list[str]:
        words = ",".join(f"{key}={_escape(value, ',:')}" for key, value in properties.items())
        head = f"{name} {words}" if words else name
        return [*self._resume(), f"::{head}::{_escape(data)}"]

    def _resume(self) -> list[str]:
        if not self._token:
            return []
        token, self._token = self._token, ""
        return [f"::{token}::"]


def _harmless_lines(text: str) -> list[str]:
    return [without_commands(line) for line in click.unstyle(text).splitlines() or [""]]


def _escape(text: str, also: str = "") -> str:
    """Escape `text` as the data of a command; `also` has more signs to escape in a property."""
    for sign in f"%\r\n{also}":
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _head_repository(event_path: str) -> str:
    """Return the repository that a pull request comes from, empty if it is not known."""
    import json  # noqa: PLC0415  # --help and most runs do without it

    try:
        event = json.loads(Path(event_path).read_text(encoding="utf-8"))
        return str(event["pull_request"]["head"]["repo"]["full_name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
