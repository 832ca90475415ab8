"""RegistryTag: one tag of one registry, and the manifest that it points to."""

from dataclasses import dataclass
from typing import Self

from lusid_image_publish.config import Settings
from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import IndexPushedError, PushError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.registry.failures import interrupted_error
from lusid_image_publish.registry.session import (
    Connect,
    RegistryManifest,
    RegistrySession,
    build_registry_client,
)


@dataclass(frozen=True)
class RegistryTag:
    """One tag of one registry: the manifest that it points to, and whether it takes a push.

    `session` is shared by all tags of the repository with this credential.
    """

    reference: ImageReference
    credential: Credential
    session: RegistrySession

    def look(self) -> RegistryManifest | None:
        """Return the manifest that the tag points to; see `RegistrySession.read_manifest`."""
        return self.session.read_manifest(self.reference.tag)

    def refusal_of_a_layer(self) -> PushError | None:
        """Return why a push would fail now; see `RegistrySession.refusal_of_a_layer`."""
        return self.session.refusal_of_a_layer(self.reference.tag)

    def prove(self, manifest: RegistryManifest | None, platform: str) -> RegistryManifest:
        """Return `manifest`, read after the push, if it is that of a single image.

        Raises `PushInterruptedError` for None, and `IndexPushedError` for an index; its hint has a
        command for `platform`.
        """
        if manifest is None:
            error = interrupted_error(
                f"The manifest was pushed to {self.reference}, but the registry answers 404 for "
                "the tag."
            )
            error.cause = "The registry lost the manifest, or shows it with a delay."
            raise error
        if manifest.is_index:
            cause, hint = index_advice(platform)
            raise IndexPushedError(
                f"{self.reference} is an index, not a single image ({manifest.digest}).",
                cause=cause,
                hint=hint,
            )
        return manifest


class Registries:
    """The registry sessions of one publication; a context manager that closes them.

    Tags of one repository with one credential share a session.
    """

    def __init__(self, settings: Settings, *, connect: Connect = build_registry_client) -> None:
        self._settings = settings
        self._connect = connect
        self._sessions: dict[tuple[str, str, Credential], RegistrySession] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for session in self._sessions.values():
            session.close()

    def tag(self, reference: ImageReference, credential: Credential) -> RegistryTag:
        """Return the tag that `reference` names, for requests with `credential`."""
        key = (reference.host, reference.path, credential)
        if key not in self._sessions:
            self._sessions[key] = RegistrySession(*key, self._settings, connect=self._connect)
        return RegistryTag(reference, credential, self._sessions[key])


def index_advice(platform: str) -> tuple[str, str]:
    """Return the likely cause of an index in place of an image, and the next step."""
    cause = (
        "The image was built with attestations or for several platforms, in an engine that stores "
        "and pushes them together. LUSID's scanner cannot scan an index."
    )
    command = f"docker build --platform {platform} --provenance=false --sbom=false ..."
    hint = (
        f"Build it with `{command}`, or give the Dockerfile as SOURCE. Then publish it under a new "
        "tag, or with --force under this one."
    )
    return cause, hint
