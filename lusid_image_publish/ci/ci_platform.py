"""The CI that a command runs in, or none: its log and its outputs."""

from collections.abc import Mapping
from typing import Literal

import click

Level = Literal["error", "warning", "notice"]


class CiPlatform:
    """A CI: its log and its outputs. This base class stands for no CI, or an unknown one.

    The methods for the log return the lines to write, in order, without line breaks.
    """

    is_ci = False
    """Whether the log is read later, so nothing is animated."""

    is_debugged = False
    """Whether the job has debug logging enabled."""

    colours: bool | None = None
    """Whether the log supports escape sequences for colours; None: only on a terminal."""

    has_annotations = False
    """Whether it shows annotations beside the log."""

    def begin(self, title: str, *, has_output: bool = False) -> list[str]:  # noqa: ARG002
        """End the fold of the step before, and begin a step; fold its lines if it `has_output`."""
        return [click.style(f"==> {title}", bold=True)]

    def end(self, result: str = "") -> list[str]:  # noqa: ARG002
        """End the fold of the current step, if there is one, with `result` as its last line."""
        return []

    def text(self, text: str) -> list[str]:
        """Show `text`, of one or more lines, so that no line is a command for the runner."""
        return [text]

    def output(self, line: str) -> list[str]:
        """Show a line that another program wrote, so that it is not a command for the runner."""
        return self.text(line)

    def annotation(self, level: Level, title: str, text: str) -> list[str]:  # noqa: ARG002
        """Show `text` as an annotation; return nothing if the CI accepts no more."""
        return []

    def mask(self, secret: str) -> list[str]:  # noqa: ARG002
        """Mask `secret` in the log from now on; return nothing if that is not possible."""
        return []

    def finish(self) -> list[str]:
        """End the fold, and restore the log."""
        return self.end()

    def record(self, outputs: Mapping[str, str], summary: str) -> None:
        """Write `outputs` for later steps, and the Markdown `summary` for people.

        Without a CI nothing is written. Raises `OSError` if they cannot be written.
        """

    def why_no_secrets(self) -> str:
        """Return why this run gets no secrets, empty if it gets them."""
        return ""

    def how_to_pass_secrets(self) -> str:
        """Return how a run that gets no secrets can get them, empty where it cannot."""
        return ""

    def where_settings_are(self) -> str:
        """Return where to find a missing setting, empty if that is unknown."""
        return ""
