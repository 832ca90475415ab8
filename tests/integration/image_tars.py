"""The tars of images that the tests download, and a service that has one."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from tests.integration.misbehaving import Asked


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """Return a tar with these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def sha(content: bytes) -> str:
    """Return a digest without the name of its algorithm."""
    return hashlib.sha256(content).hexdigest()


GZIPPED = "application/vnd.oci.image.layer.v1.tar+gzip"
UNCOMPRESSED = "application/vnd.oci.image.layer.v1.tar"


def layout(layer: bytes = b"layer", *, layer_type: str = GZIPPED) -> tuple[dict[str, bytes], str]:
    """Return the files of an OCI image layout, and the digest of its manifest."""
    config = json.dumps({"os": "linux", "architecture": "amd64"}).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {"digest": f"sha256:{sha(config)}", "size": len(config)},
            "layers": [
                {"digest": f"sha256:{sha(layer)}", "size": len(layer), "mediaType": layer_type}
            ],
        }
    ).encode()
    digest = f"sha256:{sha(manifest)}"
    blobs = {f"blobs/sha256/{sha(blob)}": blob for blob in (config, layer, manifest)}
    index = {"schemaVersion": 2, "manifests": [{"digest": digest, "size": len(manifest)}]}
    return {"index.json": json.dumps(index).encode(), **blobs}, digest


def docker_archive(name: str, config: Mapping[str, Any], layers: Sequence[bytes]) -> bytes:
    """Return an archive in the layout that all engines load; `layers` are uncompressed tars."""
    document = json.dumps(config).encode()
    files = {f"{number}.tar": layer for number, layer in enumerate(layers)}
    manifest = [{"Config": f"{sha(document)}.json", "RepoTags": [name], "Layers": list(files)}]
    files |= {f"{sha(document)}.json": document, "manifest.json": json.dumps(manifest).encode()}
    return tar_of(files)


_LAYER = tar_of({"content": b"of the tests"})
ARCHIVE = docker_archive(
    "job:1.0",
    {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha(_LAYER)}"]},
    },
    [_LAYER],
)
"""One that can be published as `job:1.0`."""


def relabelled_archive(archive: bytes, name: str, labels: Mapping[str, str]) -> bytes:
    """Return the image of an archive of `docker save` with other labels, and so another one."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:

        def read(path: str) -> bytes:
            content = (tar.extractfile(path) or io.BytesIO()).read()
            return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content

        manifest = json.loads(read("manifest.json"))[0]
        config = json.loads(read(manifest["Config"]))
        layers = [read(path) for path in manifest["Layers"]]
    config["config"]["Labels"] = dict(labels)
    return docker_archive(name, config, layers)


FILES, DIGEST = layout(bytes(range(256)) * 20)
TAR = tar_of(FILES)
SMALL = tar_of({"some": b"file"})


def contents(answer: Response, *, digest: str | None = DIGEST) -> Callable[[Asked], Response]:
    """Return a service that has one image, with `answer` for its bytes."""

    def answered(asked: Asked) -> Response:
        if asked.path.endswith("/contents"):
            return answer
        return JSONResponse({"name": "job", "digest": digest})

    return answered
