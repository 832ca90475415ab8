"""Have an image in the engine: already there, pulled, or a stand-in made of a local binary.

python .ci/image.py have IMAGE [ORIGIN]            exit 1 when it is not there and cannot be pulled,
                                                   or is a stand-in that an older version of this
                                                   script made; ORIGIN is what to pull in its place
python .ci/image.py import IMAGE LINE...           a root file system, a tar on stdin; LINEs as in a
                                                   Dockerfile
python .ci/image.py stand-in IMAGE BINARIES LINE...
                                                   the binaries (`:` between them), the libraries
                                                   that they are linked to, Dockerfile lines
python .ci/image.py lend IMAGE FILE...             load it into the engines whose addresses are in
                                                   these files, unless they have it
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import docker
import docker.errors
import requests.exceptions
from docker import DockerClient
from docker.models.images import Image

from lusid_image_publish.engine import connect

LABEL = "lusid-image-publish.stand-in"
VERSION = "2"
"""Goes up when a stand-in gets something new: the one that is in an engine is made again then."""


def have(image: str, origin: str) -> bool:
    """Return whether the engine has `image`, after a try to pull it, or what it is made from."""
    client = connect(timeout=120)
    try:
        labels = client.images.get(image).labels
        made_here = labels.get("description", "").startswith("stand-in for ")
        return not made_here or labels.get(LABEL) == VERSION
    except docker.errors.ImageNotFound:
        try:
            client.images.pull(origin, platform="linux/amd64").tag(image)
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            print(f"[engine] {origin}: {error}", file=sys.stderr)
            return False
    return True


def stand_in(image: str, binaries: list[str], lines: list[str]) -> None:
    """Build `image` FROM scratch: `binaries`, the libraries that they are linked to, and `lines`.

    The lines may COPY from `files/`, which is the folder `stand-in` beside this file.
    """
    linked = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    files = {*binaries, *re.findall(r"(/\S+) \(0x", linked)}
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            target = Path(folder, "root", file.lstrip("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        shutil.copytree(Path(__file__).with_name("stand-in"), Path(folder, "files"))
        description = f"stand-in for {image}, made of {Path(binaries[0]).name}"
        label = f'LABEL description="{description}" {LABEL}="{VERSION}"'
        dockerfile = ["FROM scratch", label, "COPY root /", *lines]
        Path(folder, "Dockerfile").write_text("\n".join(dockerfile))
        client = connect()
        older = [str(each.id) for each in client.images.list(image)]
        made, _ = client.images.build(path=folder, tag=image, platform="linux/amd64", rm=True)
        for image_id in older:
            if image_id != made.id:
                _remove_unless_used(client, image_id)


def _remove_unless_used(client: DockerClient, image_id: str) -> None:
    try:
        client.images.remove(image_id)
    except docker.errors.APIError as error:
        print(f"[engine] the stand-in that was replaced stays: {error}", file=sys.stderr)


def import_root(image: str, lines: list[str]) -> None:
    """Make `image` of the root file system that is a tar on stdin, and of `lines`."""
    repository, _, tag = image.partition(":")
    connect(timeout=600).api.import_image(
        src=sys.stdin.buffer, repository=repository, tag=tag, changes=lines
    )


def lend(image: str, files: list[str]) -> None:
    """Load `image` into the engines whose addresses `files` have, unless they have the same one."""
    engine = connect(timeout=120)
    wanted = engine.images.get(image)
    for file in files:
        borrower = docker.DockerClient(Path(file).read_text().strip(), timeout=30)
        found = _find(borrower, image)
        # The layers are compared because the id of an image differs by image store.
        if found and found.attrs["RootFS"]["Layers"] == wanted.attrs["RootFS"]["Layers"]:
            continue
        borrower.images.load(b"".join(wanted.save(named=image)))
        if found:
            borrower.images.remove(str(found.id), force=True)


def _find(engine: docker.DockerClient, image: str) -> Image | None:
    try:
        return engine.images.get(image)
    except docker.errors.ImageNotFound:
        return None


if __name__ == "__main__":
    command, image, *rest = sys.argv[1:]
    if command == "have":
        sys.exit(0 if have(image, *rest or [image]) else 1)
    if command == "import":
        import_root(image, rest)
    elif command == "lend":
        lend(image, rest)
    else:
        stand_in(image, rest[0].split(":"), rest[1:])
