"""Image archives in the layouts that engines and builders write, made without any of them.

What is in them is what `docker save` of 20.10, of 28 with either image store, Podman, crane and
buildx were seen to write; sizes are those of a test.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

if sys.version_info >= (3, 14):
    from compression import zstd as zstd  # noqa: PLC0414  # for those who import it from here
else:
    from backports import zstd as zstd  # noqa: PLC0414

OCI: Final = "application/vnd.oci.image"
DOCKER: Final = "application/vnd.docker"
V2S2: Final = f"{DOCKER}.distribution.manifest.v2+json"


@dataclass(frozen=True)
class Link:
    """A symbolic link in a tar; `hard` makes it a hard one."""

    target: str
    hard: bool = False


Files = dict[str, bytes | Link]


def tar_of(files: Mapping[str, bytes | Link]) -> bytes:
    """Return a tar of `files`, always the same."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, Link):
                info.type = tarfile.LNKTYPE if content.hard else tarfile.SYMTYPE
                info.linkname = content.target
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def folder_of(files: Mapping[str, bytes | Link], folder: Path) -> Path:
    """Write `files`, none of them a link, below `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(content, bytes)
        path.write_bytes(content)
    return folder


def sha(content: bytes) -> str:
    """Return a digest without the name of its algorithm."""
    return hashlib.sha256(content).hexdigest()


def document(value: object) -> bytes:
    """Return JSON."""
    return json.dumps(value).encode()


def zipped(layer: bytes) -> bytes:
    """Compress a layer, in another way than the product does."""
    return gzip.compress(layer, 1, mtime=1)


@dataclass(frozen=True)
class Image:
    """An image whose layers have a file with each of `contents`."""

    contents: tuple[bytes, ...] = (b"first", b"second")
    platform: str = "linux/amd64"
    config_extra: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def layers(self) -> list[bytes]:
        """The layers, uncompressed."""
        return [tar_of({f"file{n}": content}) for n, content in enumerate(self.contents)]

    @cached_property
    def config(self) -> bytes:
        """The config."""
        names = ("os", "architecture", "variant")
        diff_ids = [f"sha256:{sha(layer)}" for layer in self.layers]
        return document(
            {
                **dict(zip(names, self.platform.split("/"), strict=False)),
                "config": {"Cmd": ["/file0"]},
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
                **self.config_extra,
            }
        )

    @property
    def id(self) -> str:
        """The digest of the config."""
        return f"sha256:{sha(self.config)}"


def blob(content: bytes) -> Files:
    """Return a blob of an OCI image layout."""
    return {f"blobs/sha256/{sha(content)}": content}


def descriptor(media_type: str, content: bytes, **more: Any) -> dict[str, Any]:
    """Return what a manifest or an index says of `content`."""
    descriptor = {"mediaType": media_type, "digest": f"sha256:{sha(content)}", "size": len(content)}
    return descriptor | more


def manifest_of(
    image: Image,
    *,
    pack: Callable[[bytes], bytes] = zipped,
    layer_type: str = f"{OCI}.layer.v1.tar+gzip",
    config_type: str = f"{OCI}.config.v1+json",
    media_type: str = f"{OCI}.manifest.v1+json",
    **more: Any,
) -> tuple[bytes, Files]:
    """Return the manifest of an image, and the blobs that it names."""
    layers = [pack(layer) for layer in image.layers]
    manifest = document(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config_type, image.config),
            "layers": [descriptor(layer_type, layer) for layer in layers],
            **more,
        }
    )
    blobs: Files = {}
    for content in (*layers, image.config, manifest):
        blobs |= blob(content)
    return manifest, blobs


def index_of(*entries: Mapping[str, Any]) -> bytes:
    """Return an index."""
    media_type = f"{OCI}.index.v1+json"
    return document({"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)})


def entry_of(manifest: bytes, name: str = "", platform: str = "", **more: Any) -> dict[str, Any]:
    """Return the entry of an index for a manifest."""
    entry = descriptor(f"{OCI}.manifest.v1+json", manifest, **more)
    if name:
        tag = name.rpartition(":")[2]
        annotations = {
            "io.containerd.image.name": f"docker.io/library/{name}",
            "org.opencontainers.image.ref.name": tag,
        }
        entry["annotations"] = annotations
    if platform:
        names = ("os", "architecture", "variant")
        entry["platform"] = dict(zip(names, platform.split("/"), strict=False))
    return entry


def layout_of(index: bytes, *blobs: Files) -> Files:
    """Return an OCI image layout."""
    files: Files = {"oci-layout": document({"imageLayoutVersion": "1.0.0"}), "index.json": index}
    for found in blobs:
        files |= found
    return files


def docker_manifest(config: str, layers: list[str], *tags: str) -> dict[str, Any]:
    """Return an entry of `manifest.json`."""
    return {"Config": config, "RepoTags": list(tags) or None, "Layers": layers}


def docker20(**images: Image) -> Files:
    """As `docker save` of 20.10: a layer that occurs twice is a link the second time."""
    files: Files = {}
    entries: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    for tag, image in images.items():
        names = []
        for number, layer in enumerate(image.layers):
            folder = sha(f"{image.id} {number}".encode())
            names.append(f"{folder}/layer.tar")
            files[f"{folder}/VERSION"] = b"1.0"
            files[f"{folder}/json"] = b"{}"
            first = seen.setdefault(sha(layer), folder)
            files[names[-1]] = layer if first == folder else Link(f"../{first}/layer.tar")
        files[f"{image.id[7:]}.json"] = image.config
        entries.append(docker_manifest(f"{image.id[7:]}.json", names, f"job:{tag}"))
    return files | {"manifest.json": document(entries), "repositories": b"{}"}


def docker28(**images: Image) -> Files:
    """As `docker save` of 28 without the containerd store: a layout of uncompressed layers."""
    entries, docker = [], []
    files: Files = {}
    for tag, image in images.items():
        manifest, blobs = manifest_of(image, pack=bytes, layer_type=f"{OCI}.layer.v1.tar")
        files |= blobs
        entries.append(entry_of(manifest, f"job:{tag}"))
        names = [f"blobs/sha256/{sha(layer)}" for layer in image.layers]
        docker.append(docker_manifest(f"blobs/sha256/{image.id[7:]}", names, f"job:{tag}"))
    more: Files = {"manifest.json": document(docker), "repositories": b"{}"}
    return layout_of(index_of(*entries), files, more)


def containerd(**images: Image) -> Files:
    """As `docker save` of 28 with the containerd store: a layout with the registry's digests."""
    entries, docker = [], []
    files: Files = {}
    for tag, image in images.items():
        kind = f"{DOCKER}.image.rootfs.diff.tar.gzip"
        manifest, blobs = manifest_of(image, layer_type=kind)
        files |= blobs
        entries.append(entry_of(manifest, f"job:{tag}"))
        names = [f"blobs/sha256/{sha(zipped(layer))}" for layer in image.layers]
        docker.append(docker_manifest(f"blobs/sha256/{image.id[7:]}", names, f"job:{tag}"))
    return layout_of(index_of(*entries), files, {"manifest.json": document(docker)})


def podman(**images: Image) -> Files:
    """As `podman save`: layers by their digest, and the older names as links to them."""
    files: Files = {}
    entries = []
    for tag, image in images.items():
        names = []
        for number, layer in enumerate(image.layers):
            folder = sha(f"{image.id} {number}".encode())
            files[f"{sha(layer)}.tar"] = layer
            files[f"{folder}/layer.tar"] = Link(f"../{sha(layer)}.tar")
            names.append(f"{folder}/layer.tar")
        files[f"{image.id[7:]}.json"] = image.config
        entries.append(docker_manifest(f"{image.id[7:]}.json", names, f"localhost/job:{tag}"))
    return files | {"manifest.json": document(entries)}


def crane(**images: Image) -> Files:
    """As builders without an engine: `manifest.json` alone, and compressed layers."""
    files: Files = {}
    entries = []
    for tag, image in images.items():
        names = [f"{sha(zipped(layer))}.tar.gz" for layer in image.layers]
        files |= dict(zip(names, map(zipped, image.layers), strict=True))
        files[image.id] = image.config
        entries.append(docker_manifest(image.id, names, f"job:{tag}"))
    return files | {"manifest.json": document(entries)}


def apko(**images: Image) -> Files:
    """As `apko build` (pkg/build/oci): crane's archive, and an index of what is not in it."""
    manifests = [(manifest_of(image)[0], image.platform) for image in images.values()]
    entries = [entry_of(manifest, platform=platform) for manifest, platform in manifests]
    return crane(**images) | {"index.json": index_of(*entries)}


def buildx(**images: Image) -> Files:
    """As `buildx build --output type=oci`: an index of platforms, each with an attestation."""
    entries: list[dict[str, Any]] = []
    files: Files = {}
    for image in images.values():
        manifest, blobs = manifest_of(image)
        files |= blobs
        attestation, blobs = manifest_of(Image((image.platform.encode(),), "unknown/unknown"))
        files |= blobs
        said = {
            "vnd.docker.reference.digest": f"sha256:{sha(manifest)}",
            "vnd.docker.reference.type": "attestation-manifest",
        }
        entries += [
            entry_of(manifest, platform=image.platform),
            entry_of(attestation, platform="unknown/unknown", annotations=said),
        ]
    inner = index_of(*entries)
    named = entry_of(inner, "job:1") | {"mediaType": f"{OCI}.index.v1+json"}
    return layout_of(index_of(named), files, blob(inner))


LAYOUTS: Final[Mapping[str, Callable[..., Files]]] = {
    "docker 20": docker20,
    "docker 28": docker28,
    "containerd store": containerd,
    "podman": podman,
    "crane": crane,
    "apko": apko,
    "buildx": buildx,
}
"""All of them; each takes images by their tags."""

KEEPING_DIGESTS: Final = ("containerd store", "buildx")
"""Those whose manifest is sent as it is."""
