"""An image in an archive: a tar that `docker save` or a builder wrote, or an OCI image layout.

It is read in place, without an engine. Its documents are checked first: there must be one image for
the platform, and its parts must exist and belong together. Its layers are checked while they are
sent.
"""

import io
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, ClassVar, Final

from lusid_image_publish.archives.archive_error import (
    MAX_ARCHIVE_BYTES,
    ArchiveError,
)
from lusid_image_publish.archives.candidates import images_in_archive
from lusid_image_publish.archives.compression import ZSTD, file_of_chunks, read_chunks
from lusid_image_publish.archives.files import Files, FolderFiles, TarFiles
from lusid_image_publish.archives.foreign import STDIN, not_an_image_error, was_reencoded
from lusid_image_publish.archives.layer_proof import prove_layer
from lusid_image_publish.archives.packing import Packing
from lusid_image_publish.archives.parts import Candidate, Parts, examined_layer
from lusid_image_publish.archives.tars import (
    BEGINNING_BYTES,
    archive_errors,
    begins_as_tar,
    opened_tar,
    read_beginning,
    require_tar,
    temporary_copy,
)
from lusid_image_publish.errors import PushError, SourceError
from lusid_image_publish.platforms import platform_covers, platform_error
from lusid_image_publish.progress import Listener, StepDone, StepStarted
from lusid_image_publish.registry.known_layers import known_layers
from lusid_image_publish.registry.push_archive import push_archive
from lusid_image_publish.registry.push_requests import PushRequests
from lusid_image_publish.registry.registry_tag import RegistryTag
from lusid_image_publish.sources.image import EarlierTags, LocalImage
from lusid_image_publish.sources.source import ImageRequest, Source
from lusid_image_publish.system import read_pipe
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Deadline

_MAX_SHOWN_IMAGES: Final = 10  # images that are named in an error


@dataclass(frozen=True)
class ArchiveSource(Source):
    """An image in an archive, which needs no engine.

    `path` is a tar, which may be compressed, a pipe that such a tar comes through (`STDIN` for
    stdin), or a directory that is an OCI image layout. `image` chooses one of several images in it,
    by a name that it was saved under or by a digest; None if there is only one.
    """

    path: Path
    image: str | None = None
    needs_engine: ClassVar[bool] = False

    @property
    def is_stdin(self) -> bool:
        """Whether the archive comes through stdin."""
        return self.path == STDIN

    def __str__(self) -> str:
        return "stdin" if self.is_stdin else str(self.path)

    def connect(self, environ: Mapping[str, str], **_: Any) -> None:
        """Return None: an archive needs no engine."""

    @contextmanager
    def open(self, request: ImageRequest) -> Iterator[LocalImage]:
        """Open the archive, and check its documents."""
        request.listener(StepStarted(f"Reading {self}", "Nothing was changed."))
        with opened_archive(self, request.platform, most=request.max_archive_bytes) as image:
            request.listener(StepDone(f"found image {image.id}"))
            yield image

    def require_platform(self, image: LocalImage, request: ImageRequest) -> None:
        """Do nothing: an archive opens as an image for the platform, or not at all."""


@dataclass(frozen=True, kw_only=True)
class ArchiveImage(LocalImage):
    """An image in the open archive `source`; `packing` prepares it for a registry.

    Its `id` is the config digest, its `size` the size of its layers in the archive. Its `digests`
    contain the manifest digest if the manifest is sent unchanged.
    """

    source: ArchiveSource
    packing: Packing
    state: tuple[int, ...]
    push_explains_itself: ClassVar[bool] = True

    def send_to(
        self,
        tag: RegistryTag,
        *,
        deadline: Deadline,
        idle: float,
        listener: Listener,
        earlier_tags: EarlierTags,
    ) -> str:
        """Push the image over HTTP, and return the digest that the registry confirmed.

        Raises `SourceError` for a layer that does not match its config.
        """
        wanted = {layer.diff_id for layer in self.packing.layers.values()}
        with _unusable_errors(self.source, self.state):
            try:
                return push_archive(
                    self.packing,
                    PushRequests(tag.session, tag.reference, idle=idle),
                    lambda: known_layers(tag.session, earlier_tags, wanted),
                    deadline=deadline,
                    listener=listener,
                )
            except PushError as error:  # of a layer that was sent again, as other bytes
                if type(error) is PushError and _state_of(self.source) != self.state:
                    raise ArchiveError("one of its layers changed") from error
                raise

    def verify(self) -> None:
        """Read all layers. Raises `SourceError` for one that does not match its config.

        A publication checks them while it sends them.
        """
        with _unusable_errors(self.source, self.state):
            limit = self.packing.size_limit()
            for layer in self.packing.layers.values():
                for _ in prove_layer(layer, limit):
                    pass


@contextmanager
def opened_archive(
    source: ArchiveSource, platform: str, *, most: int = MAX_ARCHIVE_BYTES
) -> Iterator[ArchiveImage]:
    """Yield the one image for `platform` that `source` has, as its documents describe it.

    Raises `SourceError` for an archive that is damaged, or has none or several, and `PlatformError`
    if its images are for other platforms only. A compressed tar is decompressed into a temporary
    file, which has no name and is always deleted at the end of the block. That file, and the layers
    as they are read, may have at most `most` bytes.
    """
    with ExitStack() as stack:
        state = _state_of(source)
        with _unusable_errors(source, state), archive_errors():
            files = _opened(source, stack, most)
            found, parts = _chosen(images_in_archive(files, platform), source, platform)
            layers = tuple(map(examined_layer, parts.layers))
            packing = Packing(replace(parts, layers=layers), most)
            packing.size_limit()
        manifest = packing.own_manifest
        yield ArchiveImage(
            id=packing.config.digest,
            platform=found,
            size=sum(layer.size for layer in layers),
            digests=frozenset({manifest.digest} if manifest else ()),
            layers=len(layers),
            has_zstd_layers=any(layer.compression == ZSTD for layer in layers),
            source=source,
            packing=packing,
            state=state,
        )


@contextmanager
def _unusable_errors(source: ArchiveSource, state: tuple[int, ...]) -> Iterator[None]:
    """Say of what is wrong with the archive that it is `source`, which had this `state`."""
    try:
        yield
    except ArchiveError as error:
        if state != _state_of(source):
            error.cause = "It was changed while it was being published."
            error.hint = "Write the archive again, then run this command."
        raise _unusable(source, error) from error


def _state_of(source: ArchiveSource) -> tuple[int, ...]:
    """Return what differs when the archive was changed; the same for what comes through a pipe."""
    if source.is_stdin:
        return ()
    try:
        found = source.path.stat()
    except OSError:  # it is gone
        return (0,)
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else ()


def _opened(source: ArchiveSource, stack: ExitStack, most: int) -> Files:
    if not source.is_stdin and source.path.is_dir():
        return FolderFiles(source.path)
    file = stack.enter_context(_opened_file(source))
    is_file = _is_regular(file)
    check = partial(_require_tar, source=source, is_piped=source.is_stdin or not is_file)
    beginning = read_beginning(file)
    check(beginning)
    if not is_file:
        chunks = chain([beginning], read_chunks(file))
        purpose = "store the data from the pipe"
        file = stack.enter_context(temporary_copy(chunks, purpose, max_bytes=most))
    check = partial(check, is_compressed=True)
    return TarFiles(stack.enter_context(opened_tar(file, max_bytes=most, check=check)))


def _opened_file(source: ArchiveSource) -> IO[bytes]:
    if source.is_stdin:
        return open(0, "rb", closefd=False)
    if source.path.is_fifo():
        return file_of_chunks(read_pipe(source.path))
    return source.path.open("rb")


def _is_regular(file: IO[bytes]) -> bool:
    try:  # Windows has seekable pipes
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except io.UnsupportedOperation:  # it is made of chunks
        return False


def _require_tar(
    beginning: bytes, *, source: ArchiveSource, is_piped: bool, is_compressed: bool = False
) -> None:
    """Raise the error that says what begins so, unless it is a tar or, at first, compressed."""
    if not begins_as_tar(beginning):
        raise not_an_image_error(
            source.path, beginning, is_piped=is_piped, is_compressed=is_compressed
        )
    if is_compressed:
        require_tar(beginning)


def _chosen(
    candidates: Sequence[Candidate], source: ArchiveSource, platform: str
) -> tuple[str, Parts]:
    """Return the platform and the parts of the one image that is for `platform`."""
    named = _called(candidates, source.image) if source.image else candidates
    if not named:
        raise SourceError(
            f"{source} has no image {plain(source.image or '')}: it has {_shown(candidates)}.",
            cause="The image was saved under another name, or --image is misspelled.",
            hint="Choose one of them with --image, or omit --image if there is only one.",
        )
    fitting = [image for image in named if platform_covers(platform, image.platform)]
    # Beside its variants the platform itself is meant.
    exact = [image for image in fitting if image.platform == platform]
    match exact or fitting:
        case [Candidate(platform=found, parts=Parts() as parts)]:
            return found, parts
        case []:
            raise platform_error(
                [image.platform for image in named],
                platform,
                cause="It was built on or for another kind of machine. LUSID runs jobs on "
                "linux/amd64.",
                hint=f"Build it for {platform}, and write the archive again with the same tool.",
            )
        case several:
            raise _several(several, source, platform)


def _called(candidates: Sequence[Candidate], wanted: str) -> Sequence[Candidate]:
    """Return the images that `wanted` means: exactly, else by the end of a name or a short id."""
    exact = [image for image in candidates if wanted in (*image.names, *image.digests)]
    if exact:
        return exact
    ends = (f"/{wanted}", f":{wanted}", f"/{wanted}:latest")
    is_short_id = re.fullmatch(r"(?:sha256:)?[0-9a-f]{12,64}", wanted)
    begins = f"sha256:{wanted.removeprefix('sha256:')}"
    return [
        image
        for image in candidates
        if f"{wanted}:latest" in image.names
        or any(name.endswith(ends) for name in image.names)
        or (is_short_id and any(digest.startswith(begins) for digest in image.digests))
    ]


def _several(candidates: Sequence[Candidate], source: ArchiveSource, platform: str) -> SourceError:
    example = shlex.quote(_handle(candidates[0], candidates))
    return SourceError(
        f"{source} has {len(candidates)} images for {platform}: {_shown(candidates)}.",
        cause="Only one of them can be published under one name.",
        hint=f"Choose one with --image, for example --image {example}.",
    )


def _handle(image: Candidate, candidates: Sequence[Candidate]) -> str:
    """Return what --image can be given for this one: a name that is its own, else its digest."""
    others = {name for other in candidates if other.key != image.key for name in other.names}
    own = (name for name in image.names if name not in others and plain(name) == name)
    return next(own, image.key)


def _shown(candidates: Sequence[Candidate]) -> str:
    shown = []
    for image in candidates:
        names = ", ".join(map(plain, image.names))
        is_clear = _handle(image, candidates) != image.key
        shown.append(names if is_clear else f"{names} ({image.key})" if names else image.key)
    more = f"; and {len(shown) - _MAX_SHOWN_IMAGES} more" if len(shown) > _MAX_SHOWN_IMAGES else ""
    return "; ".join(shown[:_MAX_SHOWN_IMAGES]) + more


def _unusable(source: ArchiveSource, error: ArchiveError) -> SourceError:
    cause, hint = error.cause, error.hint
    if not cause and _was_recoded(source):
        cause = "A shell treated it as text, as `>` does in PowerShell 7 before 7.4."
        hint = "Write it with `docker save -o FILE NAME:TAG` instead of `>`."
    return SourceError(
        f"{source} cannot be published: {error}.",
        cause=cause or "The archive is damaged or incomplete, or is not an image archive.",
        hint=hint or "Write it again with the same tool, and check that the whole file arrives.",
    )


def _was_recoded(source: ArchiveSource) -> bool:
    if source.is_stdin or not source.path.is_file():
        return False
    with source.path.open("rb") as file:
        return was_reencoded(file.read(BEGINNING_BYTES))
