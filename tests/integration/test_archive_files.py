"""What people have in the place of an archive, and how it comes: pipes, many images, other files.

The images of engines are held beside the same ones in archives: what is said of them is the same.
"""

import gzip
import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import docker.errors
import pytest
from docker import DockerClient

from lusid_image_publish.errors import PlatformError
from lusid_image_publish.local_scheduler.server import LocalScheduler
from lusid_image_publish.sources.archive_source import ArchiveSource, opened_archive
from lusid_image_publish.sources.engine_source import EngineSource, inspect_image
from lusid_image_publish.sources.image import LocalImage
from lusid_image_publish.sources.source import ImageRequest
from tests.archives import Files, Image, apko, docker20, docker_manifest, document, tar_of
from tests.integration.cleanup import cleaned_up
from tests.integration.engines import Engine
from tests.integration.parts import BUSYBOX, command_environment, interpreter, run

AMD64 = "linux/amd64"
TARBALL = tar_of(docker20(a=Image()))

FOREIGN: dict[str, tuple[bytes, str]] = {
    "a build that failed": (b"", "it is empty"),
    "> in PowerShell 5": (TARBALL.decode("latin-1").encode("utf-16"), "UTF-16 text"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
    "a message": (b"Error response from daemon: No such image: a\n", "No such image: a"),
    "a Dockerfile": (b"FROM scratch\n", "the text of a Dockerfile"),
}


@pytest.mark.parametrize(("content", "words"), FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("has_engine", [True, False], ids=["engine", "no engine"])
def test_a_file_named_as_an_archive_is_never_built(
    tmp_path: Path, content: bytes, words: str, *, has_engine: bool
) -> None:
    (tmp_path / "image.tar").write_bytes(content)
    environ = command_environment(
        FBN_SCHEDULER_URL="http://127.0.0.1:9/scheduler2", FBN_ACCESS_TOKEN="tests-token"
    )
    if not has_engine:
        environ["DOCKER_HOST"] = f"unix://{tmp_path}/nowhere.sock"
    done = run("publish", "image.tar", "job:1.0", cwd=tmp_path, environ=environ)
    assert (done.returncode, done.stdout) == (6, ""), done.stderr
    assert "image.tar is not an image archive: it is" in done.stderr
    assert words in done.stderr
    assert "==>" not in done.stderr, "neither the engine nor LUSID was asked"


@pytest.fixture
def publish(
    scheduler: LocalScheduler, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Return a function that runs a line of bash, in which `publish` is the command."""
    environ = command_environment(
        **scheduler.environment(), DOCKER_HOST=f"unix://{tmp_path}/nowhere.sock"
    )

    def publish(line: str, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = f'publish() {{ "{interpreter()}" -m lusid_image_publish.cli.publish "$@"; }}'
        return subprocess.run(
            ["bash", "-c", f"{command}\n{line}"],
            cwd=tmp_path,
            env=environ,
            input=content,
            capture_output=True,
            check=False,
            timeout=120,
        )

    return publish


Publish = Callable[..., subprocess.CompletedProcess[bytes]]


def test_an_archive_comes_through_each_kind_of_pipe(
    publish: Publish, tmp_path: Path, repository: str
) -> None:
    content = tar_of(apko(a=Image((uuid.uuid4().bytes * 1000,))))
    (tmp_path / "image.tar").write_bytes(content)
    first = publish(f"publish - {repository}:1", content)
    assert first.returncode == 0, first.stderr
    for line in (
        f"publish /dev/stdin {repository}:1 < image.tar",
        f"publish <(cat image.tar) {repository}:1",
        f"gzip -c image.tar | publish - {repository}:1",
    ):
        again = publish(line)
        assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
        assert b"unchanged" in again.stderr


def test_what_a_failed_command_pipes_is_named(publish: Publish, repository: str) -> None:
    done = publish(f"publish - {repository}:1")
    assert (done.returncode, done.stdout) == (6, b"")
    assert b"The data from the pipe is not an image archive: it is empty" in done.stderr


def test_more_than_is_allowed_is_not_unpacked(
    publish: Publish, tmp_path: Path, repository: str
) -> None:
    content = tar_of(apko(a=Image((uuid.uuid4().bytes + bytes(2 << 20),))))
    (tmp_path / "image.tar.gz").write_bytes(gzip.compress(content))
    for line in (
        f"publish image.tar.gz {repository}:1 --max-archive-size 0.001",
        f"gzip -dc image.tar.gz | publish - {repository}:1 --max-archive-size 0.001",
        f"LUSID_PUBLISH_MAX_ARCHIVE_SIZE=0.001 publish image.tar.gz {repository}:1",
    ):
        done = publish(line)
        assert (done.returncode, done.stdout) == (6, b""), done.stderr
        assert b"larger than 0.001 GiB" in done.stderr
        assert b"allow more with --max-archive-size" in done.stderr
    doctor = f'"{interpreter()}" -m lusid_image_publish.cli.images doctor image.tar.gz'
    done = publish(f"{doctor} --max-archive-size 0.001")
    assert (done.returncode, b"larger than 0.001 GiB" in done.stdout) == (6, True), done.stderr
    for wrong in ("0", "nan", "-1", "1GiB"):
        assert publish(f"publish image.tar.gz a:1 --max-archive-size {wrong}").returncode == 2
    assert publish(f"publish image.tar.gz {repository}:1").returncode == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mkfifo image.tar", "it is empty"),
        ("truncate --size 10G image.tar", "it is empty (only zeros or blanks)"),
        ("printf '\\037\\213' > image.tar; truncate --size 10G image.tar", "image.tar"),
        ("ln --symbolic /dev/zero image.tar", "is a device, not a file"),
        ("head --bytes 1M /dev/zero | gzip > image.tar", "decompressed, it is empty"),
    ],
)
def test_what_is_no_archive_and_could_be_read_without_end_is_refused(
    line: str, words: str, publish: Publish, repository: str
) -> None:
    done = publish(f"{line}; publish image.tar {repository}:1")
    assert (done.returncode, done.stdout) == (6, b"")
    assert words.encode() in done.stderr
    assert b"Next step" in done.stderr


def test_stdin_may_be_a_device(publish: Publish, repository: str) -> None:
    done = publish(f"publish - {repository}:1 < /dev/zero")
    assert done.returncode == 6
    assert b"The data from the pipe is not an image archive: it is empty" in done.stderr


def test_a_named_pipe_that_another_command_fills_is_published(
    publish: Publish, tmp_path: Path, repository: str
) -> None:
    content = tar_of(apko(a=Image((uuid.uuid4().bytes,))))
    (tmp_path / "saved.tar").write_bytes(content)
    fill = "mkfifo image.pipe; (exec > image.pipe; sleep 2; cat saved.tar) &"
    done = publish(f"{fill}\npublish image.pipe {repository}:1")
    assert (done.returncode, done.stdout[:7]) == (0, b"sha256:"), done.stderr


def test_an_exported_root_file_system_is_named(
    publish: Publish, engine: DockerClient, tmp_path: Path, repository: str
) -> None:
    container = engine.containers.create(BUSYBOX, name=repository)
    try:
        exported = b"".join(cast("Iterator[bytes]", container.export()))
    finally:
        container.remove()
    (tmp_path / "image.tar").write_bytes(exported)
    done = publish(f"publish image.tar {repository}:1")
    assert done.returncode == 6
    assert b"it is a root file system, as `docker export` writes it" in done.stderr


def test_one_of_several_images_is_published(
    publish: Publish, tmp_path: Path, repository: str
) -> None:
    one, two = (Image((uuid.uuid4().bytes,)) for _ in "12")
    (tmp_path / "image.tar").write_bytes(tar_of(docker20(one=one, two=two)))
    done = publish(f"publish image.tar {repository}:1")
    assert done.returncode == 6
    assert b"has 2 images for linux/amd64: job:one; job:two." in done.stderr
    for line in (
        f"publish image.tar {repository}:1 --image job:two",
        f"LUSID_PUBLISH_IMAGE={two.id} publish image.tar {repository}:1",
    ):
        done = publish(f"{line} --output json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["imageId"] == two.id


# The same image in an archive and in an engine.


def configured(name: str, image: Image, **changes: str | None) -> Files:
    """Return a Docker archive of `image` with other members of its config, named `name`."""
    config = {**json.loads(image.config), **changes}
    layers: Files = {f"{number}.tar": layer for number, layer in enumerate(image.layers)}
    content = document({key: value for key, value in config.items() if value is not None})
    manifest = document([docker_manifest("config.json", [*layers], name)])
    return {"manifest.json": manifest, "config.json": content, **layers}


ODD: dict[str, Callable[[str], Files]] = {
    "no architecture": lambda name: configured(name, Image(), architecture=None),
    "x86_64": lambda name: configured(name, Image(), architecture="x86_64"),
    "another machine": lambda name: configured(name, Image(), architecture="arm64"),
    "a typing error": lambda name: configured(name, Image(), architecture="amd46"),
    "no layers": lambda name: configured(name, Image(())),
    "many layers": lambda name: configured(name, Image(tuple(b"%d" % n for n in range(126)))),
    "a large config": lambda name: configured(name, Image(), author="x" * (5 << 20)),
}


def said(image: LocalImage) -> list[str]:
    """Return what is said of an image before it is pushed."""
    try:
        EngineSource("job").require_platform(image, ImageRequest(name="job:1", platform=AMD64))
    except PlatformError as error:
        return [error.message, error.cause]
    return list(image.doubts())


def said_of_archive(path: Path) -> list[str]:
    try:
        with opened_archive(ArchiveSource(path), AMD64) as image:
            return list(image.doubts())
    except PlatformError as error:
        return [error.message, error.cause]


@pytest.fixture
def load(any_engine: Engine, repository: str) -> Iterator[Callable[[bytes], str]]:
    """Return a function that loads an archive, and returns why the engine refuses it."""

    def load(content: bytes) -> str:
        try:
            any_engine.client.images.load(content)
        except (docker.errors.APIError, docker.errors.ImageLoadError) as error:
            return str(error)
        return ""

    with cleaned_up(any_engine.client, repository):
        yield load


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_the_same_is_said_of_an_image_in_an_archive_and_in_an_engine(
    any_engine: Engine,
    load: Callable[[bytes], str],
    tmp_path: Path,
    repository: str,
    make: Callable[[str], Files],
) -> None:
    content = tar_of(make(f"{repository}:1"))
    (tmp_path / "image.tar").write_bytes(content)
    expected = said_of_archive(tmp_path / "image.tar")
    if refusal := load(content):  # Docker's classic store, and Podman for large configs
        known = ("max depth exceeded", "exceeded maximum allowed size")
        assert any(words in refusal for words in known), refusal
        return
    assert said(inspect_image(any_engine.client, f"{repository}:1", AMD64)) == expected


def test_docker_refuses_more_layers_than_the_warning_says(
    engine: DockerClient, repository: str
) -> None:
    # One after the other: all layers but the last are there already, which saves half of the time.
    with cleaned_up(engine, repository):
        for layers, outcome in ((125, ""), (126, "max depth exceeded")):
            content = configured(f"{repository}:1", Image(tuple(b"%d" % n for n in range(layers))))
            try:
                engine.images.load(tar_of(content))
                refusal = ""
            except (docker.errors.APIError, docker.errors.ImageLoadError) as error:
                refusal = str(error)
            assert outcome in refusal
            assert bool(outcome) == bool(refusal)
