"""Run the programs that a release consists of."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from releasing.stopping import StoppedError


def run(
    step: str,
    words: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Run a program, show its log on stderr, and return what it writes to stdout.

    If it fails, the release stops.
    """
    shown = " ".join(map(str, words))
    click.echo(f"[{step}] {shown}", err=True)
    try:
        done = subprocess.run(
            words, cwd=cwd, env=environ, stdout=subprocess.PIPE, text=True, check=False
        )
    except OSError as error:
        raise StoppedError(step, f"{words[0]} cannot be run: {error}") from error
    if done.returncode:
        click.echo(done.stdout, err=True, nl=False)
        raise StoppedError(step, f"`{shown}` failed with exit code {done.returncode}")
    return done.stdout
