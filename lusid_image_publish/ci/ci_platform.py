"""What a command asks of the platform that it runs on, and the answer where that is none."""

from collections.abc import Mapping
from typing import Literal, Protocol

import click

Level = Literal["error", "warning", "notice"]


class Platform(Protocol):
    """A CI platform, as the log and the end of a command see it.

    The methods about the log return the lines to write, in order; each has a line break of its own.
    """

    is_ci: bool
    """Whether somebody reads the log later: nothing moves in it."""

    is_debugged: bool
    """Whether the platform was told to show all there is."""

    colours: bool | None
    """Whether the log takes a terminal's escape sequences; None: if it is a terminal."""

    def begin(self, title: str) -> list[str]:
        """Begin a step, after the end of the one before it."""

    def end(self) -> list[str]:
        """End the step, if one has begun."""

    def text(self, text: str) -> list[str]:
        """Show `text`, of one or more lines, so that none of them is a command to the runner."""

    def annotation(self, level: Level, title: str, text: str) -> list[str]:
        """Show `text` where it is seen; nothing where the platform has no room for it (left)."""

    def mask(self, secret: str) -> list[str]:
        """Let the runner hide `secret` from now on; nothing where it cannot or must not."""

    def finish(self) -> list[str]:
        """Leave the log as it was found."""

    def record(self, outputs: Mapping[str, str], summary: str) -> None:
        """Keep `outputs` for later steps, and the Markdown `summary` for people.

        Raises `OSError` when that cannot be written.
        """

    def why_no_secrets(self) -> str:
        """Return why this run was given no secrets, empty where a run like it is given them."""

    def where_settings_are(self) -> str:
        """Return where a person looks for a setting that is missing, empty when nobody knows."""


class Nowhere:
    """No CI: a terminal, a script, or a CI that nothing is known of."""

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
        """Return nothing: nobody else could hide it."""
        return []

    def finish(self) -> list[str]:
        """Return nothing."""
        return []

    def record(self, outputs: Mapping[str, str], summary: str) -> None:
        """Keep nothing: who wants it asks for a report."""

    def why_no_secrets(self) -> str:
        """Return nothing."""
        return ""

    def where_settings_are(self) -> str:
        """Return nothing."""
        return ""
