"""What upload_image answers: the Docker commands that push an image to the registry."""

from typing import Any

from lusid_image_publish.local_scheduler.dates import wire_date
from lusid_image_publish.local_scheduler.htpasswd import Credential


def instructions_document(
    repository: str, tag: str, *, domain: str, host: str, credential: Credential
) -> dict[str, Any]:
    """Return `UploadImageInstructions` in the words that the service uses on AWS."""
    local = f"{domain}/{repository}"
    remote = f"{host}/{local}"
    password = credential.password
    return {
        "dockerLoginCommand": f"docker login -u {credential.username} -p {password} {host}",
        "buildVersionedDockerImageCommand": (
            f"docker build -t {local}:{tag} . --platform=linux/amd64"
        ),
        "tagVersionedDockerImageCommand": f"docker tag {local}:{tag} {remote}:{tag}",
        "pushVersionedDockerImageCommand": f"docker push {remote}:{tag}",
        "tagLatestDockerImageCommand": f"docker tag {local}:{tag} {remote}:latest",
        "pushLatestDockerImageCommand": f"docker push {remote}:latest",
        "expiryTime": wire_date(credential.expires),
    }
