"""Find the names that a shell completes, in the LUSID that is configured."""

from collections.abc import Iterable
from typing import Final

import click

from lusid_image_publish.cli.connection import read_settings
from lusid_image_publish.cli.connection_options import connection_of
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.listing import quote

_MAX_NAMES: Final = 200


def find_names(context: click.Context, incomplete: str, *, with_tags: bool) -> Iterable[str]:
    """Return repositories, or with `with_tags` images, whose names begin with `incomplete`."""
    connection = connection_of(context, context.params)
    if connection.local:
        return []  # a name is not worth starting a Scheduler
    # Others may have written the files in the folder: a TAB sends nothing because of them.
    with ImagesClient(read_settings(connection, finds_secrets_file=False)) as images:
        find = _find_images if with_tags else _find_repositories
        return find(images, incomplete)


def _find_repositories(images: ImagesClient, incomplete: str) -> list[str]:
    answer = images.list_repositories(
        filter=f"name startswith {quote(incomplete)}", limit=_MAX_NAMES
    )
    return [repository.name for repository in answer.values if repository.name]


def _find_images(images: ImagesClient, incomplete: str) -> list[str]:
    """Return the tags of one repository, or the repositories if there are several."""
    repository, colon, _ = incomplete.partition(":")
    if not colon:
        found = _find_repositories(images, incomplete)
        if len(found) != 1:
            return [f"{name}:" for name in found]
        repository = found[0]
    listed = images.list_images(repository, limit=_MAX_NAMES).values
    names = (f"{repository}:{tag.name}" for image in listed for tag in image.tags or ())
    return sorted(name for name in names if name.startswith(incomplete))
