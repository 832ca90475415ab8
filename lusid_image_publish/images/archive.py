"""An image in an archive: a tar that `docker save` or a builder wrote, or an OCI image layout.

It is read where it is, and no engine is needed. What can be known of it is checked before anything
else is done with it: that there is one image for the platform, and that its parts are whole and
belong together.
"""

import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from lusid_image_publish.errors import PlatformError, SourceError
from lusid_image_publish.images.blobs import checked
from lusid_image_publish.images.docker_archive import MANIFEST, images_in_docker_archive
from lusid_image_publish.images.files import Files, FolderFiles, TarFiles
from lusid_image_publish.images.local import LocalImage, covers
from lusid_image_publish.images.oci_layout import INDEX, images_in_layout
from lusid_image_publish.images.packing import Packing, sendable
from lusid_image_publish.images.parts import Candidate, Parts, digest_of
from lusid_image_publish.images.source import ArchiveSource
from lusid_image_publish.redact import plain
from lusid_image_publish.tars import (
    CHUNK,
    ArchiveError,
    decompressed,
    is_compressed,
    opened_tar,
    reading,
)

_MOST_SHOWN: Final = 10  # images that are named in an error


@dataclass(frozen=True, kw_only=True)
class ArchiveImage(LocalImage):
    """An image in an archive, whole and open; `packing` gives what a registry is sent of it.

    Its `id` is the digest of its config, its `size` that of its layers as the archive has them. Its
    `digests` have that of the manifest where that is sent as it is.
    """

    path: Path
    packing: Packing


@contextmanager
def opened_archive(source: ArchiveSource, platform: str) -> Iterator[ArchiveImage]:
    """Yield the one image for `platform` that `source` has, checked.

    Raises `SourceError` for an archive that is damaged, or has none or several, and `PlatformError`
    when it has images for other platforms alone. A compressed tar is decompressed into a temporary
    file, which has no name and is gone at the end of the block, whatever ends it.
    """
    with ExitStack() as stack:
        try:
            with reading():
                files = _opened(source.path, stack)
                found, parts = _chosen(_candidates(files, platform), source, platform)
                layers = tuple(map(checked, parts.layers))
        except ArchiveError as error:
            raise _unusable(source, error) from error
        manifest = sendable(parts, layers)
        yield ArchiveImage(
            id=digest_of(parts.config),
            platform=found,
            size=sum(layer.size for layer in layers),
            digests=frozenset({digest_of(manifest.content)} if manifest else ()),
            path=source.path,
            packing=stack.enter_context(Packing(parts.config, layers, manifest)),
        )


def _opened(path: Path, stack: ExitStack) -> Files:
    if path.is_dir():
        return FolderFiles(path)
    file: IO[bytes] = stack.enter_context(path.open("rb"))
    if is_compressed(file):
        file = stack.enter_context(_unpacked(path, file))
    return TarFiles(stack.enter_context(opened_tar(file)))


@contextmanager
def _unpacked(path: Path, file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield a temporary file with what is compressed in `file`: layers are read out of order."""
    with (
        tempfile.TemporaryFile(prefix="lusid-image-") as temporary,
        closing(decompressed(file)) as content,
    ):
        while chunk := content.read(CHUNK):
            try:
                temporary.write(chunk)
            except OSError as error:
                raise SourceError(
                    f"There is no room to decompress {path}.",
                    cause=str(error),
                    hint="Make room, set TMPDIR to where there is some, or give the archive "
                    "uncompressed.",
                ) from error
        yield temporary


def _candidates(files: Files, platform: str) -> list[Candidate]:
    found = images_in_layout(files, platform) if files.find(INDEX) else []
    if not found and files.find(MANIFEST):
        found = images_in_docker_archive(files)
    return found


def _chosen(
    candidates: Sequence[Candidate], source: ArchiveSource, platform: str
) -> tuple[str, Parts]:
    """Return the platform and the parts of the one image that is for `platform`."""
    if not candidates:
        raise ArchiveError("there is no image in it")
    fitting = [image for image in candidates if covers(platform, image.platform)]
    # Beside its variants the platform itself is meant.
    exact = [image for image in fitting if image.platform == platform]
    match exact or fitting:
        case [Candidate(platform=found, parts=Parts() as parts)]:
            return found, parts
        case []:
            raise _other_platform(candidates, platform)
        case several:
            raise _several(several, source, platform)


def _other_platform(candidates: Sequence[Candidate], platform: str) -> PlatformError:
    found = sorted({plain(image.platform) for image in candidates if image.platform})
    return PlatformError(
        f"The image is for {', '.join(found) or 'an unknown platform'}, not for {platform}.",
        cause="It was built on or for another kind of machine. LUSID runs jobs on linux/amd64.",
        hint=f"Build it again with `docker build --platform {platform} ...`, and save that.",
    )


def _several(candidates: Sequence[Candidate], source: ArchiveSource, platform: str) -> SourceError:
    shown = [", ".join(map(plain, image.names)) or image.key for image in candidates]
    more = ["..."] if len(shown) > _MOST_SHOWN else []
    path = shlex.quote(str(source.path))
    return SourceError(
        f"{source.path} has {len(shown)} images for {platform}: "
        f"{'; '.join([*shown[:_MOST_SHOWN], *more])}.",
        cause="It was saved with several images, and one name can have but one of them.",
        hint=f"Save the one alone: `docker save -o {path} NAME:TAG`.",
    )


def _unusable(source: ArchiveSource, error: ArchiveError) -> SourceError:
    return SourceError(
        f"{source.path} is no image that can be published: {error}.",
        cause="The archive is damaged or was cut off on its way, or it is of something else.",
        hint="Write it anew, with `docker save -o FILE NAME:TAG` or buildx's "
        "`--output type=oci,dest=FILE`, and see that all of it is handed over.",
    )
