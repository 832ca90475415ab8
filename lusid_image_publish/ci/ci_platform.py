"""The CI that a command runs in: its log, its outputs, and its absence."""

from collections.abc import Mapping
from typing import Literal

import click

Level = Literal["error", "warning", "notice"]


class CiPlatform:
    """A CI, as the log and the end of a command see it; by itself it is none, or an unknown one.

    The methods about the log return the lines to write, in order, without line breaks.
    """

    is_ci = False
    """Whether the log is read later: nothing moves in it."""

    is_debugged = False
    """Whether the job asks for the debug log."""

    colours: bool | None = None
    """Whether the log takes escape sequences for colours; None: if it is a terminal."""

    def begin(self, title: str) -> list[str]:
        """Begin a step, after the end of the one before it."""
        return [click.style(f"==> {title}", bold=True)]

    def end(self) -> list[str]:
        """End the step, if one has begun; without a CI the next title does."""
        return []

    def text(self, text: str) -> list[str]:
        """Show `text`, of one or more lines, so that no line is a command to the runner."""
        return [text]

    def annotation(self, level: Level, title: str, text: str) -> list[str]:  # noqa: ARG002
        """Show `text` as an annotation; return nothing where the CI takes no more of them."""
        return []

    def mask(self, secret: str) -> list[str]:  # noqa: ARG002
        """Hide `secret` in the log from now on; return nothing where that is not possible."""
        return []

    def finish(self) -> list[str]:
        """Leave the log as it was before."""
        return self.end()

    def record(self, outputs: Mapping[str, str], summary: str) -> None:
        """Keep `outputs` for later steps, and the Markdown `summary` for people.

        Without a CI nothing is kept. Raises `OSError` when that cannot be written.
        """

    def why_no_secrets(self) -> str:
        """Return why this run gets no secrets, empty where such a run gets them."""
        return ""

    def how_to_pass_secrets(self) -> str:
        """Return how a run that gets no secrets can get them, empty where it cannot."""
        return ""

    def where_settings_are(self) -> str:
        """Return where you find a missing setting, empty when that is not known."""
        return ""
