#!/usr/bin/env python3
"""The steps of a release, which .github/workflows/release.yml runs in their order.

python .ci/release.py --help

Each also runs on your machine. CONTRIBUTING.md explains how to make a release.
"""

from pathlib import Path

import click
from releasing import owner
from releasing.pin import pin


@click.group()
def main() -> None:
    """Check, build and publish a release of this project."""


@main.command("pin")
@click.argument("reference")
def pin_command(reference: str) -> None:
    """Make action.yml and the template use the image REFERENCE, NAME@sha256:DIGEST."""
    pin(Path(), reference)


@main.command("owner")
@click.argument("name")
def owner_command(name: str) -> None:
    """Name the owner NAME in pyproject.toml, the documents and the examples."""
    for path in owner.replace(Path(), name):
        click.echo(path)


if __name__ == "__main__":
    main()
