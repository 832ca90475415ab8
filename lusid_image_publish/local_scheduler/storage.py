"""Read from the registry's files what each tag points to, and when it was pushed.

The registry's HTTP API has no push times (the files: distribution, registry/storage/paths.go). Only
the links of tags are read: layers and unfinished uploads next to them may be large.
"""

import gzip
import io
import logging
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, cast

import docker.errors
from docker.models.containers import Container

logger = logging.getLogger(__name__)

_REPOSITORIES: Final = "/var/lib/registry/docker/registry/v2/repositories"

# Its only argument is a folder of repositories. A pattern that matches nothing stays as it is. The
# shell's own `printf` accepts any number of names; `xargs` may make several archives of them.
# Output on stderr is a failure: a shell reports only the exit code of the last program in a pipe.
_PACK_LINKS: Final = r"""
[ -d "$1" ] || exit 0
cd "$1" || exit
set -- */_manifests/tags/*/current/link
[ "$1" != '*/_manifests/tags/*/current/link' ] || exit 0
{ printf '%s\0' "$@" | xargs -0 tar -c -f - -- || echo failed >&2; } | gzip -c
"""

# The history of the tag is next to `current/link`.
_LINK: Final = re.compile(r"(?:([^/]+)/_manifests/)?tags/([^/]+)/current/link")


@dataclass(frozen=True)
class TagLink:
    """A tag, the digest that it points to, and when it was pushed, in UTC."""

    tag: str
    digest: str
    pushed: datetime


@dataclass(frozen=True)
class StoredImage:
    """One digest of a repository with the tags that point to it, each with its time in UTC."""

    repository: str
    digest: str
    tags: dict[str, datetime] = field(default_factory=dict)

    @property
    def pushed(self) -> datetime:
        """When the first of its tags was pushed."""
        return min(self.tags.values())


def links_of_repository(container: Container, path: str) -> list[TagLink]:
    """Return the tags of one repository, if any; `path` starts with the domain."""
    try:
        chunks, _ = container.get_archive(f"{_REPOSITORIES}/{path}/_manifests/tags")
    except docker.errors.NotFound:
        return []
    return [link for _, link in _read(b"".join(chunks))]


def links_of_domain(container: Container, domain: str) -> dict[str, list[TagLink]] | None:
    """Return the tags of each repository of a domain, with one command for all.

    None if the container's image lacks a tool for that, or a link was removed at the same time.
    """
    command = ["sh", "-c", _PACK_LINKS, "sh", f"{_REPOSITORIES}/{domain}"]
    try:
        code, output = container.exec_run(command, demux=True)
    except docker.errors.APIError as error:  # newer engines report a missing `sh` so
        logger.debug("links are read one repository at a time: %s", error)
        return None
    packed, said = cast("tuple[bytes | None, bytes | None]", output)
    if code != 0 or said:
        logger.debug("links are read one repository at a time: exit code %s, %r", code, said)
        return None
    found: dict[str, list[TagLink]] = {}
    try:
        for repository, link in _read(gzip.decompress(packed or b"")):
            found.setdefault(repository, []).append(link)
    except (OSError, EOFError, tarfile.TarError) as error:  # it was cut off
        logger.debug("links are read one repository at a time: %s", error)
        return None
    return found


def files_of(packed: bytes) -> dict[str, bytes]:
    """Return the files of a folder in a tar, by name."""
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
        members = [member for member in archive if member.isfile()]
        contents = [(member.name, archive.extractfile(member)) for member in members]
        return {name.rpartition("/")[2]: file.read() for name, file in contents if file}


def _read(packed: bytes) -> Iterator[tuple[str, TagLink]]:
    """Yield (repository, tag) for the links in one or more concatenated tars."""
    if not packed:
        return
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:", ignore_zeros=True) as archive:
        for member in archive:
            name = _LINK.fullmatch(member.name)
            content = archive.extractfile(member) if name and member.isfile() else None
            # It is empty while the registry writes it.
            if name and content and (digest := content.read().decode()):
                pushed = datetime.fromtimestamp(member.mtime, UTC)
                yield name[1] or "", TagLink(name[2], digest, pushed)
