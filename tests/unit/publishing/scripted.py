"""A registry's tag and upload instructions that a test scripts."""

from collections.abc import Callable
from typing import Any, cast

from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import PushError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.registry.registry_tag import RegistryTag
from lusid_image_publish.registry.session import RegistryManifest
from lusid_image_publish.scheduler.models import UploadImageInstructions


class ScriptedTag(RegistryTag):
    """A tag that `look` shows, and of which a registry refuses a layer as `refusal` says."""

    def __init__(
        self,
        reference: ImageReference,
        credential: Credential,
        look: Callable[[], RegistryManifest | None],
        refusal: Callable[[], PushError | None] = lambda: None,
    ) -> None:
        super().__init__(reference, credential, session=cast("Any", None))
        object.__setattr__(self, "look", look)
        object.__setattr__(self, "refusal_of_a_layer", refusal)


def instructions_for(name: str, host: str = "127.0.0.1:5000") -> UploadImageInstructions:
    """Return what LUSID answers to `upload_image`."""
    local = f"foo/{name}"
    remote = f"{host}/{local}"
    return UploadImageInstructions.model_validate(
        {
            "dockerLoginCommand": f"docker login -u AWS -p t0ken {host}",
            "buildVersionedDockerImageCommand": f"docker build -t {local} .",
            "tagVersionedDockerImageCommand": f"docker tag {local} {remote}",
            "pushVersionedDockerImageCommand": f"docker push {remote}",
        }
    )
