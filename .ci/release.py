#!/usr/bin/env python3
"""The steps of a release, which .github/workflows/release.yml runs in their order.

python .ci/release.py --help

Each also runs on your machine. CONTRIBUTING.md explains how to make a release.
"""

import sys
from pathlib import Path

import click
from releasing import image, owner
from releasing.checkout import notes, with_full_links
from releasing.checks import Destination, failures, registry_of
from releasing.distributions import build, distributions_in, try_wheel, verify_contents
from releasing.pin import pin
from releasing.remote import PYPI
from releasing.tags import move_tags
from releasing.versions import version_of

ROOT = Path()

_name = click.option("--registry", default="", help="The image to push (default: the owner's).")
_user = click.option("--username", envvar="REGISTRY_USERNAME", default="", hidden=True)
_password = click.option("--password", envvar="REGISTRY_PASSWORD", default="", hidden=True)


@click.group()
def main() -> None:
    """Check, build and publish a release of this project, from a checkout of its tag."""


@main.command()
@click.argument("tag")
@click.option("--branch", default="origin/main", show_default=True, help="Must have the commit.")
@click.option("--index", default=PYPI, show_default=True, help="The package index.")
@click.option("--repository", envvar="GITHUB_REPOSITORY", default="", hidden=True)
@_name
@_user
@_password
def check(
    tag: str, branch: str, index: str, repository: str, registry: str, username: str, password: str
) -> None:
    """Say why the release of TAG must not be published; print nothing if it can be."""
    destination = Destination(index, registry, username, password, repository)
    found = list(failures(ROOT, tag, branch, destination))
    for failure in found:
        failure.show()
    sys.exit(1 if found else 0)


@main.command("notes")
@click.argument("tag")
def notes_command(tag: str) -> None:
    """Print the section of the changelog for TAG; its links lead to the files of TAG."""
    url = f"https://github.com/{owner.owner_of(ROOT)}/{owner.PROJECT}/blob/{tag}"
    click.echo(with_full_links(notes(ROOT, version_of(tag)), url))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--source", default="busybox:1.37", show_default=True, help="The image to publish.")
@click.option("--name", default="release:1", show_default=True, help="What to publish it as.")
def distributions(folder: Path, source: str, name: str) -> None:
    """Build the wheel and the sdist into FOLDER, verify them, and publish with the wheel."""
    root = ROOT.resolve()
    built = build(root, folder.resolve())
    verify_contents(root, built)
    click.echo(try_wheel(root, built.wheel, source=source, name=name))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def verify(folder: Path) -> None:
    """Stop unless FOLDER has the wheel and the sdist of this checkout, and nothing else.

    The release does this where no development tool is installed, which could have changed them.
    """
    verify_contents(ROOT.resolve(), distributions_in(folder))


@main.command("image")
@click.argument("tag")
@click.option("--platform", "platforms", multiple=True, default=image.PLATFORMS, show_default=True)
@click.option("--sbom", default="true", help="As of buildx: true, or generator=IMAGE.")
@click.option("--builder", default="", help="Build with this builder of buildx.")
@click.option("--base", default="", help="Use this base image (default: that of the Dockerfile).")
@click.option("--network", default="", help="The network of the build.")
@_name
@_user
@_password
def image_command(
    tag: str,
    platforms: tuple[str, ...],
    sbom: str,
    builder: str,
    base: str,
    network: str,
    registry: str,
    username: str,
    password: str,
) -> None:
    """Build the image of TAG for all platforms, push it, and print NAME@DIGEST."""
    where = registry_of(ROOT, Destination("", registry, username, password))
    how = image.Build(platforms, sbom, builder, base, network)
    digest = image.push_image(ROOT, where, version_of(tag), how)
    click.echo(f"{where.host}/{where.path}@{digest}")


@main.command("image-tags")
@click.argument("tag")
@click.argument("reference")
@_user
@_password
def image_tags(tag: str, reference: str, username: str, password: str) -> None:
    """Point the tags 1 and 1.2 of the image to REFERENCE, NAME@DIGEST, and print them."""
    name, _, digest = reference.partition("@")
    registry = registry_of(ROOT, Destination("", name, username, password))
    for moved in image.move_image_tags(registry, tag, digest):
        click.echo(moved)


@main.command("pin")
@click.argument("reference")
def pin_command(reference: str) -> None:
    """Make action.yml and the template use the image REFERENCE, NAME@sha256:DIGEST."""
    pin(ROOT, reference)


@main.command()
@click.argument("tag")
@click.argument("reference")
@click.option("--remote", default="origin", show_default=True, help="Where the tags are pushed.")
def tags(tag: str, reference: str, remote: str) -> None:
    """Commit the action and the template with the image REFERENCE, and move the tags to it."""
    for moved in move_tags(ROOT, tag, reference, remote=remote):
        click.echo(moved)


@main.command("owner")
@click.argument("name")
def owner_command(name: str) -> None:
    """Name the owner NAME in pyproject.toml, the documents and the examples."""
    for path in owner.replace(ROOT, name):
        click.echo(path)


if __name__ == "__main__":
    main()
