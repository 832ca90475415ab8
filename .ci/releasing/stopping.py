"""The one error of a release."""

from typing import IO, Any

import click


class StoppedError(click.ClickException):
    """A release must not continue: `step` is where it stopped, the message says what to do."""

    exit_code = 1

    def __init__(self, step: str, message: str) -> None:
        super().__init__(message)
        self.step = step

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the step and the message, on stderr by default."""
        click.echo(f'release stopped at "{self.step}": {self.message}', file=file, err=file is None)
