"""A fake engine that has images, builds them, saves them, and pushes them to a registry."""

import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from lusid_image_publish.names import ImageReference
from tests.archives import (
    DOCKER,
    V2S2,
    Files,
    Image,
    containerd,
    docker20,
    manifest_of,
    sha,
    tar_of,
)
from tests.fake_engine import Answer, Asked, Event, FakeEngine

_WORDS: Final = {
    401: "unauthorized: authentication required",
    403: "denied: requested access to the resource is denied",
    404: "name unknown: repository name not known to registry",
    429: "toomanyrequests: too many requests",
}
"""What Docker 20.10 says of a registry's refusal."""


@dataclass
class Engine(FakeEngine):
    """The engine; `transport` leads to registries. `images` are by their ids.

    `log` is what a build says, and `build_failure` how it fails.
    """

    transport: httpx.BaseTransport = field(default_factory=httpx.HTTPTransport)
    tags: dict[str, str] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    repo_digests: dict[str, list[str]] = field(default_factory=dict)
    log: tuple[str, ...] = ("Step 1/2 : FROM scratch\n", "Successfully built\n")
    build_failure: str = ""

    def hold(self, name: str, image: Image) -> str:
        """Have `image` as `name`, and return its id."""
        image_id = f"sha256:{sha(self._manifest_of(image)[0])}" if self.is_containerd else image.id
        self.images[image_id] = image
        self.tags[name] = image_id
        return image_id

    def archive_of(self, name: str) -> bytes:
        """Return what saving `name` gives."""
        write = containerd if self.is_containerd else docker20
        return tar_of(write(**{name.rpartition(":")[2]: self.images[self.tags[name]]}))

    def inspect(self, reference: str) -> dict[str, Any] | None:
        image_id = self.tags.get(reference, reference)
        image = self.images.get(image_id)
        if image is None:
            return None
        system, _, architecture = image.platform.partition("/")
        return {
            "Id": image_id,
            "RepoTags": [name for name, held in self.tags.items() if held == image_id],
            "RepoDigests": self.repo_digests.get(image_id, []),
            "Os": system,
            "Architecture": architecture,
            "Size": sum(map(len, image.layers)),
            "RootFS": {"Layers": [f"sha256:{sha(layer)}" for layer in image.layers]},
        } | self.attributes

    def save(self, reference: str) -> bytes:
        image_id = self.tags.get(reference, reference)
        write = containerd if self.is_containerd else docker20
        return tar_of(write(saved=self.images[image_id])) if image_id in self.images else b""

    def build(self, asked: Asked, context: bytes) -> Answer:
        """Make an image of what the context has, under the tag that was asked for."""
        said: list[Event] = [{"stream": line} for line in self.log]
        if self.build_failure:
            return Answer((*said, {"errorDetail": {"message": self.build_failure}}))
        with tarfile.open(fileobj=io.BytesIO(context)) as tar:
            files = [tar.extractfile(member) for member in tar if member.isfile()]
            contents = tuple(file.read() for file in files if file)
        platform = asked.query.get("platform", "linux/amd64")
        image = Image(contents or (b"",), platform, {"labels": asked.query.get("labels", "")})
        image_id = self.hold(asked.query["t"], image)
        return Answer((*said, {"aux": {"ID": image_id}}))

    def answer_push(self, asked: Asked) -> Answer:
        if self.answers or self.answer != Answer():
            return self.next_answer()
        repository = asked.path.removeprefix("/images/").removesuffix("/push")
        reference = f"{repository}:{asked.query['tag']}"
        target = ImageReference.parse(reference)
        image_id = self.tags[reference]
        said: list[Event] = [{"status": f"The push refers to repository [{repository}]"}]
        credential = (asked.credential["username"], asked.credential["password"])
        try:
            with httpx.Client(
                base_url=f"https://{target.host}",
                transport=self.transport,
                auth=credential,
                headers={"User-Agent": "docker/20.10"},
            ) as client:
                digest, size = self._send(client, target, self.images[image_id], said)
        except httpx.HTTPStatusError as error:
            status, reason = error.response.status_code, error.response.reason_phrase
            usual = f"received unexpected HTTP status: {status} {reason}"
            words = _WORDS.get(status, usual)
            return Answer((*said, {"errorDetail": {"message": words}, "error": words}))
        except httpx.HTTPError as error:
            words = f"Put https://{target.host}/v2/: {str(error).lower()}"
            return Answer((*said, {"errorDetail": {"message": words}, "error": words}))
        self.repo_digests.setdefault(image_id, []).append(f"{target.repository}@{digest}")
        line = f"{target.tag}: digest: {digest} size: {size}"
        aux = {"Tag": target.tag, "Digest": digest, "Size": size}
        return Answer((*said, {"status": line}, {"progressDetail": {}, "aux": aux}))

    def _manifest_of(self, image: Image) -> tuple[bytes, Files]:
        return manifest_of(
            image,
            layer_type=f"{DOCKER}.image.rootfs.diff.tar.gzip",
            config_type=f"{DOCKER}.container.image.v1+json",
            media_type=V2S2,
        )

    def _send(
        self, client: httpx.Client, target: ImageReference, image: Image, said: list[Event]
    ) -> tuple[str, int]:
        """Send what the registry does not have; return the manifest's digest and size."""
        manifest, files = self._manifest_of(image)
        document = json.loads(manifest)
        path = f"/v2/{target.path}"
        for part in (*document["layers"], document["config"]):
            layer, digest = part["digest"][7:19], part["digest"]
            if client.head(f"{path}/blobs/{digest}").is_success:
                said.append({"id": layer, "status": "Layer already exists"})
                continue
            begun = client.post(f"{path}/blobs/uploads/").raise_for_status()
            content = files[f"blobs/sha256/{digest[7:]}"]
            assert isinstance(content, bytes)
            progress = {"current": part["size"], "total": part["size"]}
            said.append({"id": layer, "status": "Pushing", "progressDetail": progress})
            sent = client.patch(begun.headers["location"], content=content).raise_for_status()
            place = httpx.URL(sent.headers["location"]).copy_add_param("digest", digest)
            client.put(place).raise_for_status()
            said.append({"id": layer, "status": "Pushed"})
        client.put(
            f"{path}/manifests/{target.tag}",
            content=manifest,
            headers={"Content-Type": V2S2},
        ).raise_for_status()
        return f"sha256:{sha(manifest)}", len(manifest)
