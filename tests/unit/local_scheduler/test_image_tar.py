"""The tar of an image, made without holding it."""

import io
import json
import tarfile
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.local_scheduler.image_tar import ImageArchive, Manifest


@given(st.binary(max_size=2000), st.lists(st.binary(max_size=3000), max_size=4))
def test_the_tar_has_what_the_registry_has_and_the_length_it_says(
    config: bytes, layers: list[bytes]
) -> None:
    blobs = {f"sha256:{number}": blob for number, blob in enumerate([config, *layers])}
    descriptors = [{"digest": digest, "size": len(blob)} for digest, blob in blobs.items()]
    document = json.dumps({"config": descriptors[0], "layers": descriptors[1:]}).encode()
    manifest = Manifest("sha256:abc", "a/manifest", document)
    archive = ImageArchive.of([manifest], "job:1.0")

    def read(digest: str) -> Iterator[bytes]:
        yield blobs[digest][:1000]
        yield blobs[digest][1000:]

    content = b"".join(archive.stream(read))
    assert len(content) == archive.length
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        texts = {name: file.read() for name, file in files.items() if file}
    (index,) = json.loads(texts["manifest.json"])
    assert index["RepoTags"] == ["job:1.0"]
    assert texts[index["Config"]] == config
    assert [texts[name] for name in index["Layers"]] == layers
    (entry,) = json.loads(texts["index.json"])["manifests"]
    assert (entry["digest"], entry["size"]) == ("sha256:abc", len(document))
    assert texts["blobs/sha256/abc"] == document


def test_a_layer_that_occurs_twice_is_in_the_tar_once() -> None:
    layer = {"digest": "sha256:1", "size": 1}
    document = {"config": {"digest": "sha256:0", "size": 1}, "layers": [layer, layer]}
    manifest = Manifest("sha256:abc", "a/manifest", json.dumps(document).encode())
    archive = ImageArchive.of([manifest], "job:1.0")
    assert len(archive.blobs) == 2
    assert len(json.loads(dict(archive.files)["manifest.json"])[0]["Layers"]) == 2
