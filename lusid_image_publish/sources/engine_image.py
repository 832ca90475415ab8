"""EngineImage: an image of the local engine, which pushes it.

In containerd's store, Docker's default since 29, the id of an image is the digest of its manifest,
or of an index. Another store compresses the same layers differently, so its manifest differs; the
config is the same everywhere. Its digest is only in the output of `docker save`.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final

import docker.errors
import requests
from docker import DockerClient

from lusid_image_publish.archives.archive_error import MAX_DOCUMENT_BYTES, ArchiveError
from lusid_image_publish.archives.parts import digest_of
from lusid_image_publish.archives.tars import archive_errors
from lusid_image_publish.engine import (
    ENGINE_FAILURES,
    IDLE_TIMEOUT_SECONDS,
    engine_message,
    offers_api,
    platform_parameter,
)
from lusid_image_publish.errors import EngineError, PushError, PushInterruptedError
from lusid_image_publish.platforms import platform_covers, platform_of
from lusid_image_publish.progress import Listener
from lusid_image_publish.registry.push_engine import push_image
from lusid_image_publish.registry.registry_tag import RegistryTag
from lusid_image_publish.sources.image import EarlierTags, LocalImage
from lusid_image_publish.waiting import Deadline

_PLATFORM_IN_SAVE: Final = "1.48"
_BUFFER_BYTES: Final = 1 << 20  # bytes


@dataclass(frozen=True)
class EngineImage(LocalImage):
    """An image of the engine behind `engine`, which pushes it."""

    engine: DockerClient = field(kw_only=True, compare=False, repr=False)

    def send_to(
        self,
        tag: RegistryTag,
        *,
        deadline: Deadline,
        idle: float,
        listener: Listener,
        earlier_tags: EarlierTags,  # noqa: ARG002  # the engine asks the registry itself
    ) -> str:
        """Let the engine push the image, and return the digest that it reports, empty for none."""
        return push_image(
            self.engine,
            self.id,
            self.platform,
            tag.reference,
            tag.credential,
            deadline=deadline,
            idle=idle,
            refusal=partial(_final_refusal, tag),
            listener=listener,
        )

    def verify(self) -> None:
        """Do nothing: the engine has verified what it keeps."""


def _final_refusal(tag: RegistryTag) -> PushError | None:
    """Return why the registry does not accept a layer if it will not accept it later either."""
    refusal = tag.refusal_of_a_layer()
    return None if isinstance(refusal, PushInterruptedError) else refusal


@dataclass(frozen=True)
class ContainerdImage(EngineImage):
    """An image of an engine with the containerd image store."""

    @cached_property
    def config_digest(self) -> str:
        """The config digest, read from the engine once, and no further than needed.

        Raises `EngineError` if the engine does not return it.
        """
        documents: dict[str, Mapping[str, Any]] = {}
        try:
            with self._saved() as response:
                _require_success(response)
                with archive_errors():
                    for content in _small_files(response):
                        documents[digest_of(content)] = _object_in(content)
                        if found := self._config_in(documents):
                            return found
        except (*ENGINE_FAILURES, ArchiveError) as error:
            raise self._unknown(engine_message(error)) from error
        raise self._unknown("The archive that it saves has no manifest.")

    def _saved(self) -> requests.Response:
        """Return what `docker save` returns, for this platform only."""
        api, params = self.engine.api, {}
        if self.id not in self.digests and offers_api(self.engine, _PLATFORM_IN_SAVE):
            params["platform"] = platform_parameter(self.platform)
        url = f"{api.base_url}/v{api.api_version}/images/{self.id}/get"
        return api.get(url, params=params, stream=True, timeout=IDLE_TIMEOUT_SECONDS)

    def _config_in(self, documents: Mapping[str, Mapping[str, Any]]) -> str:
        """Return the config's digest if the manifest is among `documents`, else an empty text."""
        known = [documents[digest] for digest in self.digests if digest in documents]
        inner = [
            documents[entry["digest"]]
            for index in known
            for entry in index.get("manifests", ())
            if entry["digest"] in documents
            and platform_covers(self.platform, platform_of(entry.get("platform") or {}))
        ]
        configs = [document["config"] for document in [*known, *inner] if "config" in document]
        return str(configs[0]["digest"]) if configs else ""

    def _unknown(self, words: str) -> EngineError:
        return EngineError(
            f"The engine does not return the config of image {self.id}.",
            cause=words,
            hint="Check that the engine has the whole image: `docker save` must succeed.",
        )


def _require_success(response: requests.Response) -> None:
    """Raise docker-py's error, with the engine's own words, for an answer that is a refusal."""
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)


def _small_files(response: requests.Response) -> Iterator[bytes]:
    """Yield the files of a tar that is being received which are small enough for a manifest."""
    with tarfile.open(fileobj=response.raw, mode="r|", bufsize=_BUFFER_BYTES) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.size <= MAX_DOCUMENT_BYTES else None
            if file:
                yield file.read()


def _object_in(content: bytes) -> Mapping[str, Any]:
    """Return the JSON object that `content` is, an empty one where it is something else."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
