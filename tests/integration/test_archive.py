"""Image archives, published by the real command without an engine, to a real registry.

`DOCKER_HOST` points at nothing in all that the command does here. The engine makes the archives,
and shows in the end that it takes what was published.
"""

import bz2
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker.errors
import pytest
from docker import DockerClient

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.archives import (
    KEEPING_DIGESTS,
    LAYOUTS,
    Image,
    buildx,
    containerd,
    docker20,
    folder_of,
    sha,
    tar_of,
)
from tests.integration.cleanup import cleaned_up
from tests.integration.leaks import configured_secrets, find_secrets, find_secrets_below
from tests.integration.parts import BUSYBOX, ENGINE_SOCKET, Job, command_environment, run
from tests.integration.stage import Api
from tests.plain_http import HTTP


class Publisher:
    """The command, where no engine is; after each run nothing temporary may be left."""

    def __init__(self, scheduler: LocalScheduler, folder: Path) -> None:
        self.scheduler = scheduler
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.environ = command_environment(
            **scheduler.environment(),
            DOCKER_HOST=f"unix://{folder}/nowhere.sock",
            TMPDIR=str(self.temporary),
            HOME=str(self.temporary),
        )

    def __call__(
        self, *arguments: str, command: str = "publish"
    ) -> subprocess.CompletedProcess[str]:
        done = run(command, *arguments, cwd=self.folder, environ=self.environ)
        shown = done.stdout + done.stderr
        assert "Traceback" not in shown
        secrets = configured_secrets(self.environ)
        assert find_secrets(shown, secrets) + find_secrets_below(self.temporary, secrets) == []
        assert [*self.temporary.iterdir()] == []
        return done

    def publishes(self, *arguments: str) -> str:
        """Publish, and return the digest, which must be the one that is listed."""
        done = self(*arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == self.listed(arguments[1])
        return done.stdout.strip()

    def listed(self, name: str) -> str:
        """Return the digest that the Scheduler lists, empty when it does not list the image."""
        repository, _, tag = name.partition(":")
        return Api(self.scheduler).tags(repository).get(tag, "")

    def file(self, name: str, content: bytes) -> str:
        """Have a file."""
        (self.folder / name).write_bytes(content)
        return name


@pytest.fixture
def publisher(scheduler: LocalScheduler, tmp_path: Path) -> Publisher:
    return Publisher(scheduler, tmp_path)


@pytest.fixture
def image() -> Image:
    """An image that nobody has published."""
    return Image((uuid.uuid4().bytes * 200_000, b"second"))


@contextmanager
def saved(engine: DockerClient, job: Job, file: Path) -> Iterator[str]:
    """Build `job` and save it as `file`; yield the id of the image, which the engine forgets."""
    name = f"{job.own}:local"
    with cleaned_up(engine, job.own):
        engine.images.build(path=str(job.folder), tag=name, rm=True, forcerm=True)
        with file.open("wb") as out:
            out.writelines(engine.api.get_image(name))
        image_id = str(engine.images.get(name).id)
    yield image_id


def credential_for(scheduler: LocalScheduler, name: str) -> tuple[str, str, str]:
    """Return the registry's host, user and password for the repository of `name`."""
    answer = HTTP.post(
        f"{scheduler.url}/api/images",
        json={"imageName": f"{name}-{uuid.uuid4().hex}"},
        headers={"Authorization": f"Bearer {scheduler.access_token.reveal()}"},
    )
    login = answer.raise_for_status().json()["dockerLoginCommand"]
    _, _, _, user, _, password, host = login.split()
    return host, user, password


@contextmanager
def pulled(engine: DockerClient, scheduler: LocalScheduler, name: str) -> Iterator[str]:
    """Let the engine pull what was published as `name`; yield its reference."""
    host, user, password = credential_for(scheduler, name)
    repository, _, tag = name.partition(":")
    reference = f"{host}/foo/{repository}"
    with cleaned_up(engine, reference):
        engine.images.pull(reference, tag, auth_config={"username": user, "password": password})
        yield f"{reference}:{tag}"


def output_of(engine: DockerClient, reference: str) -> str:
    """Run an image to its end, and return what it said."""
    container = engine.containers.create(reference)
    try:
        container.start()
        assert container.wait(timeout=60)["StatusCode"] == 0
        return str(container.logs().decode())
    finally:
        container.remove(force=True)


def test_an_archive_that_is_damaged_never_becomes_a_tag(
    publisher: Publisher, image: Image, repository: str
) -> None:
    content = tar_of(docker20(a=image))
    publisher.file("image.tar", content.replace(b"second", b"changed"[:6]))
    done = publisher("image.tar", f"{repository}:1.0")
    assert (done.returncode, done.stdout) == (6, "")
    assert "cannot be published: a layer has the digest" in done.stderr
    assert "Next step: Write it again" in done.stderr
    assert publisher.listed(f"{repository}:1.0") == ""
    for command, options in (("publish", ("--dry-run",)), ("images", ())):
        doctor = ("doctor",) if command == "images" else ()
        found = publisher(*doctor, "image.tar", f"{repository}:1.0", *options, command=command)
        assert found.returncode == 6, "it can be found before"
    publisher.file("image.tar", gzip.compress(content)[:-100])
    done = publisher("image.tar", f"{repository}:1.0")
    assert done.returncode == 6
    assert "upload instructions" not in done.stderr
    assert publisher.listed(f"{repository}:1.0") == ""


def test_several_images_are_reported_with_the_cure(publisher: Publisher, repository: str) -> None:
    publisher.file("image.tar", tar_of(docker20(one=Image(), two=Image((b"other",)))))
    done = publisher("image.tar", f"{repository}:1.0")
    assert done.returncode == 6
    assert "has 2 images for linux/amd64: job:one; job:two" in done.stderr
    assert "Choose one with --image, for example --image job:one." in done.stderr


def test_another_platform_is_refused(publisher: Publisher, repository: str) -> None:
    publisher.file("image.tar", tar_of(buildx(a=Image(platform="linux/arm64"))))
    done = publisher("image.tar", f"{repository}:1.0")
    assert done.returncode == 6
    assert "is for linux/arm64, not for linux/amd64" in done.stderr
    done = publisher("image.tar", f"{repository}:1.0", "--platform", "linux/arm64")
    assert done.returncode == 6
    assert "requires an image for linux/amd64" in done.stderr


@pytest.mark.parametrize("options", [["--no-cache"], ["--build-arg", "A=B"], ["--context", "."]])
def test_build_options_are_a_mistake(
    publisher: Publisher, options: list[str], repository: str
) -> None:
    publisher.file("image.tar", tar_of(docker20(a=Image())))
    done = publisher("image.tar", f"{repository}:1.0", *options)
    assert done.returncode == 2
    assert "image.tar is an image archive" in done.stderr
    assert "==>" not in done.stderr


def test_another_image_under_the_tag_is_refused_unless_forced(
    publisher: Publisher, image: Image, repository: str
) -> None:
    name = f"{repository}:1.0"
    publisher.file("image.tar", tar_of(docker20(a=image)))
    first = publisher.publishes("image.tar", name)
    publisher.file("other.tar", tar_of(containerd(a=Image((uuid.uuid4().bytes,)))))
    other = publisher("other.tar", name)
    assert (other.returncode, other.stdout) == (11, "")
    assert "already exists with a different image" in other.stderr
    assert publisher.listed(name) == first
    assert publisher.publishes("other.tar", name, "--force") != first


def test_an_image_of_the_engine_still_needs_one(publisher: Publisher, repository: str) -> None:
    done = publisher(BUSYBOX, f"{repository}:1.0")
    assert done.returncode == 6
    assert "No Docker engine answers" in done.stderr


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress])
def test_what_docker_save_wrote_is_the_image_that_the_engine_pulls(
    publisher: Publisher,
    engine: DockerClient,
    job: Job,
    repository: str,
    compress: Callable[[bytes], bytes],
) -> None:
    job.write(f'FROM {BUSYBOX}\nCOPY content /content\nCMD ["cat", "/content"]\n')
    file = publisher.folder / "image.tar"
    with saved(engine, job, file) as image_id:
        file.write_bytes(compress(file.read_bytes()))
        with pytest.raises(docker.errors.ImageNotFound):
            engine.images.get(image_id)
        name = f"{repository}:1.0"
        digest = publisher.publishes("image.tar", name)
        with pulled(engine, publisher.scheduler, name) as reference:
            there = engine.images.get(reference)
            assert there.attrs["RepoDigests"] == [f"{reference.rpartition(':')[0]}@{digest}"]
            assert there.id == image_id
            assert output_of(engine, reference) == job.content


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_the_image_that_the_engine_pulls(
    publisher: Publisher, engine: DockerClient, image: Image, layout: str, repository: str
) -> None:
    name = f"{repository}:1.0"
    publisher.file("image.tar", tar_of(LAYOUTS[layout](a=image)))
    digest = publisher.publishes("image.tar", name)
    if layout in KEEPING_DIGESTS:
        assert f"blobs/sha256/{digest[7:]}" in LAYOUTS[layout](a=image)
    with pulled(engine, publisher.scheduler, name) as reference:
        assert engine.images.get(reference).id == image.id
        container = engine.containers.create(reference)
        try:
            chunks, _ = container.get_archive("/file0")
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
                content = tar.extractfile("file0")
                assert content
                assert content.read() == image.contents[0]
        finally:
            container.remove()


def test_a_directory_may_be_a_layout(publisher: Publisher, image: Image, repository: str) -> None:
    folder_of(buildx(a=image, b=Image(platform="linux/arm64")), publisher.folder / "layout")
    digest = publisher.publishes("layout", f"{repository}:1.0")
    assert (publisher.folder / f"layout/blobs/sha256/{digest[7:]}").exists()


def test_a_download_is_published_again_with_its_digest(
    publisher: Publisher, image: Image, repository: str
) -> None:
    publisher.file("image.tar", tar_of(docker20(a=image)))
    digest = publisher.publishes("image.tar", f"{repository}:1.0")
    done = publisher("download", f"{repository}:1.0", "-o", "again.tar", command="images")
    assert done.returncode == 0, done.stderr
    assert publisher.publishes("again.tar", f"{repository}-again:1.0") == digest


def test_publishing_again_changes_nothing(
    publisher: Publisher, image: Image, repository: str
) -> None:
    name = f"{repository}:1.0"
    publisher.file("image.tar", tar_of(docker20(a=image)))
    digest = publisher.publishes("image.tar", name)
    for layout in LAYOUTS.values():
        publisher.file("image.tar", tar_of(layout(again=image)))
        done = publisher("image.tar", name)
        assert (done.returncode, done.stdout.strip()) == (0, digest), done.stderr
        assert "unchanged, nothing to do" in done.stderr
        assert "Pushing" not in done.stderr


def test_an_archive_and_the_engine_know_each_other_s_image(
    publisher: Publisher, clean_engine: DockerClient, job: Job, repository: str
) -> None:
    clean_engine.images.build(path=str(job.folder), tag=f"{repository}:local", rm=True)
    with (publisher.folder / "image.tar").open("wb") as file:
        file.writelines(clean_engine.api.get_image(f"{repository}:local"))
    with_engine = publisher.environ | {"DOCKER_HOST": f"unix://{ENGINE_SOCKET}"}
    sources = ["image.tar", f"{repository}:local"]
    for first, second in (sources, reversed(sources)):
        name = f"{repository}:{sha(first.encode())[:8]}"
        for source in (first, second):
            done = run("publish", source, name, cwd=publisher.folder, environ=with_engine)
            assert done.returncode == 0, done.stderr
            assert ("unchanged" in done.stderr) is (source == second)


def test_the_result_is_a_document_for_programs(
    publisher: Publisher, image: Image, repository: str
) -> None:
    name = f"{repository}:1.0"
    publisher.file("image.tar", tar_of(docker20(a=image)))
    shown = json.loads(publisher("image.tar", name, "--output", "json", "--latest").stdout)
    assert shown["digest"] == publisher.listed(name) == publisher.listed(f"{repository}:latest")
    assert (shown["outcome"], shown["latest"]) == ("published", "moved")
    assert (shown["imageId"], shown["platform"]) == (image.id, "linux/amd64")
    assert shown["reference"] == f"{publisher.scheduler.registry_host}/foo/{name}"


def test_latest_follows_what_was_published_before(
    publisher: Publisher, image: Image, repository: str
) -> None:
    publisher.file("image.tar", tar_of(docker20(a=image)))
    digest = publisher.publishes("image.tar", f"{repository}:1.0")
    assert publisher.publishes("image.tar", f"{repository}:1.0", "--latest") == digest
    assert publisher.listed(f"{repository}:latest") == digest


@pytest.mark.parametrize(("policy", "code"), [("skip", 0), ("fail", 11)])
def test_what_exists_may_be_taken_or_refused_without_a_look(
    publisher: Publisher, image: Image, repository: str, policy: str, code: int
) -> None:
    publisher.file("image.tar", tar_of(docker20(a=image)))
    publisher.publishes("image.tar", f"{repository}:1.0")
    done = publisher("image.tar", f"{repository}:1.0", "--if-exists", policy)
    assert done.returncode == code
    assert "Reading" not in done.stderr


def test_a_dry_run_reads_the_archive_and_changes_nothing(
    publisher: Publisher, image: Image, repository: str
) -> None:
    name = f"{repository}:1.0"
    publisher.file("image.tar", tar_of(containerd(a=image)))

    def action(*options: str) -> str:
        done = publisher("image.tar", name, "--dry-run", "--output", "json", *options)
        shown = json.loads(done.stdout)
        assert (shown["imageId"], shown["platform"]) == (image.id, "linux/amd64")
        assert shown["source"] == str(publisher.folder / "image.tar")
        return str(shown["action"])

    assert action() == action("--no-build") == "push"
    assert publisher.listed(name) == ""
    publisher.publishes("image.tar", name)
    assert action() == "nothing"
    publisher.file("image.tar", tar_of(docker20(a=image)))
    assert action() == "compare"
    publisher.file("image.tar", b"\x1f\x8b")
    assert publisher("image.tar", name, "--dry-run").returncode == 6


def test_the_log_has_no_secret(publisher: Publisher, image: Image, repository: str) -> None:
    publisher.file("image.tar", tar_of(docker20(a=image)))
    done = publisher("image.tar", f"{repository}:1.0", "-vv")
    assert done.returncode == 0, done.stderr
    assert "PATCH http" in done.stderr
    assert "_state" not in done.stderr


def test_quiet_says_nothing(publisher: Publisher, image: Image, repository: str) -> None:
    publisher.file("image.tar", tar_of(docker20(a=image)))
    done = publisher("image.tar", f"{repository}:1.0", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_doctor_looks_at_an_archive_without_an_engine(
    publisher: Publisher, image: Image, repository: str
) -> None:
    publisher.file("image.tar", gzip.compress(tar_of(docker20(a=image))))
    done = publisher("doctor", "image.tar", f"{repository}:1.0", command="images")
    assert done.returncode == 0, done.stdout
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    assert lines[:3] == [["ok", "source"], ["ok", "platform"], ["ok", "name"]]
    publisher.file("image.tar", b"\x1f\x8b")
    done = publisher("doctor", "image.tar", f"{repository}:1.0", command="images")
    assert done.returncode == 6
    assert "failed   source" in done.stdout


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_full_disk_is_reported_where_one_is_needed(
    publisher: Publisher, repository: str, compress: Callable[[bytes], bytes]
) -> None:
    content = tar_of(docker20(a=Image((os.urandom(3_000_000),))))
    publisher.file("image.tar", compress(content))
    name = f"{repository}:1.0"
    command = [sys.executable, "-m", "lusid_image_publish.cli.publish", "image.tar", name]
    done = subprocess.run(
        ["prlimit", "--fsize=1000000", *command],
        cwd=publisher.folder,
        env=publisher.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if compress is bytes:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 6, done.stderr
    assert "there is not enough disk space to decompress" in done.stderr
    assert "TMPDIR" in done.stderr
    assert "Traceback" not in done.stderr
    assert [*publisher.temporary.iterdir()] == []
    assert publisher.listed(name) == ""
