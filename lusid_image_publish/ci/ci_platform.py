"""The CI that a command runs in: its log, its outputs, and its absence."""

from collections.abc import Mapping
from typing import Literal, Protocol

import click

Level = Literal["error", "warning", "notice"]


class CiPlatform(Protocol):
    """A CI, as the log and the end of a command see it.

    The methods about the log return the lines to write, in order, without line breaks.
    """

    is_ci: bool
    """Whether the log is read later: nothing moves in it."""

    is_debugged: bool
    """Whether the job asks for the debug log."""

    colours: bool | None
    """Whether the log takes escape sequences for colours; None: if it is a terminal."""

    def begin(self, title: str) -> list[str]:
        """Begin a step, after the end of the one before it."""

    def end(self) -> list[str]:
        """End the step, if one has begun."""

    def text(self, text: str) -> list[str]:
        """Show `text`, of one or more lines, so that no line is a command to the runner."""

    def annotation(self, level: Level, title: str, text: str) -> list[str]:
        """Show `text` as an annotation; return nothing where the CI takes no more of them."""

    def mask(self, secret: str) -> list[str]:
        """Hide `secret` in the log from now on; return nothing where that is not possible."""

    def finish(self) -> list[str]:
        """Leave the log as it was before."""

    def record(self, outputs: Mapping[str, str], summary: str) -> None:
        """Keep `outputs` for later steps, and the Markdown `summary` for people.

        Raises `OSError` when that cannot be written.
        """

    def why_no_secrets(self) -> str:
        """Return why this run gets no secrets, empty where such a run gets them."""

    def where_settings_are(self) -> str:
        """Return where you find a missing setting, empty when that is not known."""


class NoCi:
    """No CI: a terminal, a script, or an unknown CI."""

    is_ci = False
    is_debugged = False
    colours: bool | None = None

    def begin(self, title: str) -> list[str]:
        """Return the title, marked."""
        return [click.style(f"==> {title}", bold=True)]

    def end(self) -> list[str]:
        """Return nothing: the next title ends a step."""
        return []

    def text(self, text: str) -> list[str]:
        """Return the text."""
        return [text]

    def annotation(self, level: Level, title: str, text: str) -> list[str]:  # noqa: ARG002
        """Return nothing: the log is all there is."""
        return []

    def mask(self, secret: str) -> list[str]:  # noqa: ARG002
        """Return nothing: only a CI hides secrets."""
        return []

    def finish(self) -> list[str]:
        """Return nothing."""
        return []

    def record(self, outputs: Mapping[str, str], summary: str) -> None:
        """Keep nothing: use --report instead."""

    def why_no_secrets(self) -> str:
        """Return nothing."""
        return ""

    def where_settings_are(self) -> str:
        """Return nothing."""
        return ""
