"""LocalImage: an image on this machine, which sends itself to a registry."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from lusid_image_publish.progress import Listener
from lusid_image_publish.registry.registry_tag import RegistryTag
from lusid_image_publish.registry.session import RegistryManifest
from lusid_image_publish.waiting import Deadline

_MAX_LAYERS: Final = 125
"""Layers that Docker mounts on top of each other: with one more it says "max depth exceeded"."""

EarlierTags = Callable[[], Sequence[str]]
"""Returns tags of the repository whose images may have the same layers, the newest first."""

ZSTD_LAYERS: Final = (
    "The image has layers compressed with zstd: Docker before 23, and tools based on it, cannot "
    "run it. Compress the layers with gzip if older engines run the job."
)


@dataclass(frozen=True)
class LocalImage(ABC):
    """An image of the local engine or in an archive, which sends itself to a registry.

    `id` is its id in the engine or the archive: the config digest, or the digest of its manifest or
    index if an engine uses the containerd image store. `platform` is `os/architecture[/variant]`;
    for an index it is that of the requested image in it. `size` is in bytes, unpacked or
    compressed, as it is stored. `digests` are its manifest digests on this machine; `may_be_index`
    is True if one of them may be an index's, because the engine does not report what it is.
    `layers` is their number, None if the engine does not report it; `has_zstd_layers` is known only
    for archives.
    """

    id: str
    platform: str
    size: int
    digests: frozenset[str]
    may_be_index: bool = False
    layers: int | None = None
    has_zstd_layers: bool = False

    push_explains_itself: ClassVar[bool] = False
    """Whether the error of a push has the registry's own answer, not an engine's message."""

    @property
    def config_digest(self) -> str:
        """The digest of the image's config: the same wherever the image is kept."""
        return self.id

    def has_digest(self, manifest_digest: str | None) -> bool:
        """Return whether the image is known here by this manifest digest."""
        return bool(manifest_digest) and manifest_digest in self.digests

    @abstractmethod
    def send_to(
        self,
        tag: RegistryTag,
        *,
        deadline: Deadline,
        idle: float,
        listener: Listener,
        earlier_tags: EarlierTags,
    ) -> str:
        """Push the image to `tag`, and return the manifest digest that was reported.

        It is empty if the engine reports neither a digest nor an error. `deadline` ends the push,
        and so do `idle` seconds without progress. `earlier_tags` is used for archives, to find
        layers that the registry has. Raises a `PushError`.
        """

    @abstractmethod
    def verify(self) -> None:
        """Check everything that opening the image did not: nothing for an image of an engine.

        Raises `SourceError`.
        """

    def doubts(self) -> Iterator[str]:
        """Yield warnings: reasons why engines or registries may not accept this image."""
        if self.layers == 0:
            yield (
                "The image has no layers: some registries, Amazon ECR among them, are reported to "
                "refuse such an image. Copy a file into it."
            )
        if (self.layers or 0) > _MAX_LAYERS:
            yield (
                f"The image has {self.layers} layers, and Docker cannot run more than "
                f'{_MAX_LAYERS} ("max depth exceeded") unless it has the containerd image store. '
                "Build it with fewer, for example with a second stage that copies from the first."
            )
        if self.has_zstd_layers:
            yield ZSTD_LAYERS


def manifest_matches_image(manifest: RegistryManifest, image: LocalImage) -> bool:
    """Return whether `manifest` is `image`'s. Raises `EngineError` when that is unknown."""
    if image.has_digest(manifest.digest):
        return True
    return not manifest.is_index and manifest.config_digest == image.config_digest
