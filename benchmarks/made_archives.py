"""The archives that are published: layers of real files, as an installation of Python has them."""

import io
import json
import os
import sysconfig
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from itertools import count
from pathlib import Path

from lusid_image_publish.archives.compressor import Compressor

_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CHUNK = 1 << 20
_SALT = 16  # bytes


def real_layers(folder: Path, megabytes: int, layers: int = 1) -> list[Path]:
    """Write the files of this Python as `layers` tars of `megabytes` in all, and return them.

    The first file of each is random, so that no engine and no registry has seen the layer.
    """
    paths = [folder / f"real-{megabytes}-{layers}-{number}.tar" for number in range(layers)]
    each = megabytes * 1_000_000 // layers
    files = _installed_files()
    for path in paths:
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            salt = tarfile.TarInfo("salt")
            salt.size = _SALT
            tar.addfile(salt, io.BytesIO(os.urandom(_SALT)))
            while (room := each - tar.offset - 2 * tarfile.RECORDSIZE) > 0:
                name, content = next(files)
                info = tarfile.TarInfo(name)
                info.size = min(room, content.stat().st_size)
                with content.open("rb") as file:
                    tar.addfile(info, file)
    return paths


def random_layer(folder: Path, megabytes: int, name: str = "random") -> Path:
    """Write random bytes, which nothing compresses."""
    path = folder / f"{name}.tar"
    with path.open("wb") as file:
        file.writelines(os.urandom(1_000_000) for _ in range(megabytes))
    return path


def empty_layer(folder: Path, megabytes: int) -> Path:
    """Write zeros, of which nothing is left."""
    path = folder / "zeros.tar"
    with path.open("wb") as file:
        file.writelines(bytes(1_000_000) for _ in range(megabytes))
    return path


def docker_archive(path: Path, layers: list[Path]) -> Path:
    """Write a tar of an image with these uncompressed layers, as `docker save` of 20.10 does."""
    config = _config([_digest_of(layer) for layer in layers])
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    entry = {"Config": "config.json", "RepoTags": None, "Layers": names}
    with tarfile.open(path, "w") as tar:
        for name, content in (
            ("config.json", config),
            ("manifest.json", json.dumps([entry]).encode()),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, layer in zip(names, layers, strict=True):
            tar.add(layer, name)
    os.sync()  # or what was just written would be flushed while a push is measured
    return path


def oci_layout(folder: Path, layers: list[Path]) -> Path:
    """Write an OCI image layout with these layers, compressed."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def keep(content: bytes, media_type: str) -> dict[str, object]:
        digest = sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    with Compressor() as compressor:
        descriptors = [
            keep(b"".join(compressor.members(_chunks(layer))), _LAYER) for layer in layers
        ]
    config = keep(_config([_digest_of(layer) for layer in layers]), _CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": config,
        "layers": descriptors,
    }
    index = {"schemaVersion": 2, "manifests": [keep(json.dumps(manifest).encode(), _MANIFEST)]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    os.sync()
    return folder


def _installed_files() -> Iterator[tuple[str, Path]]:
    """Yield all files of the standard library with names for them, again and again."""
    root = Path(sysconfig.get_path("stdlib"))
    for turn in count():
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield f"{turn}/{path.relative_to(root)}", path


def _config(digests: list[str]) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
    ).encode()


def _digest_of(path: Path) -> str:
    digest = sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _chunks(path: Path) -> Iterator[bytes]:
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        while chunk := file.read(_CHUNK):
            yield chunk
