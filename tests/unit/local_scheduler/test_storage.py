"""Reading the tags out of a registry's storage, by the shell and the tools of this machine."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import docker.errors
import httpx
import pytest
from docker.models.containers import ExecResult

from lusid_image_publish.local_scheduler import storage
from lusid_image_publish.local_scheduler.registry_container import Registry
from lusid_image_publish.local_scheduler.storage import TagLink
from tests.systems import NEEDS_SCRIPTS

pytestmark = NEEDS_SCRIPTS  # in place of a Linux container

PUSHED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGESTS = [f"sha256:{number:064x}" for number in range(9)]


class Machine:
    """A container whose files are those of this machine; `requests` is what the engine was asked.

    What is on `path` are the tools that it has.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.requests: list[str] = []
        self.received = 0

    def exec_run(self, command: list[str], *, demux: bool) -> ExecResult:
        assert demux
        self.requests.append("exec")
        try:
            done = subprocess.run(
                command, env={"PATH": self.path}, capture_output=True, check=False
            )
        except FileNotFoundError:
            return ExecResult(127, (b"exec failed: executable file not found", None))  # type: ignore[arg-type]  # as with `demux`
        self.received += len(done.stdout)
        return ExecResult(done.returncode, (done.stdout or None, done.stderr or None))  # type: ignore[arg-type]  # as with `demux`

    def get_archive(self, path: str) -> tuple[Iterator[bytes], dict[str, Any]]:
        self.requests.append(f"archive {path}")
        if not Path(path).exists():
            raise docker.errors.NotFound("no such path")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(path, arcname=Path(path).name)
        return iter([buffer.getvalue()]), {}


class Volume:
    """The repositories that a registry keeps, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def push(self, path: str, tag: str, digest: str) -> Path:
        """Let a tag point to a digest, as a registry does; return the link."""
        links = self.folder / path / "_manifests/tags" / tag
        link = links / "current/link"
        for file in (link, links / "index/sha256" / digest[7:] / "link"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(digest)
            os.utime(file, (PUSHED.timestamp(), PUSHED.timestamp()))
        return link


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Volume:
    monkeypatch.setattr(storage, "_REPOSITORIES", str(tmp_path / "repositories"))
    return Volume(tmp_path / "repositories")


@pytest.fixture
def machine() -> Machine:
    return Machine(os.environ["PATH"])


@pytest.fixture
def registry(machine: Machine) -> Iterator[Registry]:
    """A registry of the domain foo, whose catalogue is that of the volume of these tests."""

    def catalogue(request: httpx.Request) -> httpx.Response:
        pages = {
            "/v2/_catalog?n=1000": ["bar/job", "foo/job"],
            "/v2/_catalog?last=foo%2Fjob&n=1000": ["foo/none", "foo/other", "foo/too/deep"],
        }
        page = request.url.raw_path.decode()
        first, last = pages
        headers = {"Link": f'<{last}>; rel="next"'} if page == first else {}
        return httpx.Response(200, json={"repositories": pages[page]}, headers=headers)

    registry = Registry(None, image="", volume="", port=0, domain="foo")  # type: ignore[arg-type]  # no engine
    registry._container = machine  # type: ignore[assignment]  # which is enough of one
    transport = httpx.MockTransport(catalogue)
    with httpx.Client(base_url="http://registry", transport=transport) as registry.http:
        yield registry


def pushed(volume: Volume) -> dict[str, list[TagLink]]:
    """Push something; return what is in the domain foo then."""
    volume.push("foo/job", "1.0", DIGESTS[0])
    volume.push("foo/job", "1.0", DIGESTS[1])
    volume.push("foo/job", "latest", DIGESTS[1])
    volume.push("foo/other", "1.0", DIGESTS[2])
    volume.push("bar/job", "1.0", DIGESTS[3])
    (volume.folder / "foo/none/_manifests/tags").mkdir(parents=True)
    volume.push("foo/job", "being-written", "").write_text("")
    one, two = (TagLink(tag, DIGESTS[1], PUSHED) for tag in ("1.0", "latest"))
    return {"job": [one, two], "other": [TagLink("1.0", DIGESTS[2], PUSHED)]}


def in_order(tags: dict[str, list[TagLink]]) -> dict[str, list[TagLink]]:
    return {name: sorted(links, key=lambda link: link.tag) for name, links in tags.items()}


def test_all_tags_of_a_domain_are_read_with_one_request(
    registry: Registry, machine: Machine, volume: Volume
) -> None:
    expected = pushed(volume)
    assert in_order(registry.tags_by_repository()) == expected
    assert machine.requests == ["exec"]


@pytest.mark.parametrize("count", [1, 200])
def test_more_repositories_are_not_more_requests(
    registry: Registry, machine: Machine, volume: Volume, count: int
) -> None:
    # 200 are more names than `xargs` gives one `tar` (128 KiB), which then makes several archives.
    for number in range(count):
        for tag in range(3):
            volume.push(f"foo/{'long-' * 40}{number}", f"1.{tag}", DIGESTS[tag])
    assert sum(map(len, registry.tags_by_repository().values())) == 3 * count
    assert machine.requests == ["exec"]


def test_the_tags_of_a_repository_are_those_of_the_whole_domain(
    registry: Registry, machine: Machine, volume: Volume
) -> None:
    expected = pushed(volume)
    assert in_order({"job": registry.tags("job")})["job"] == expected["job"]
    assert registry.tags("none") == registry.tags("absent") == []
    assert len(machine.requests) == 3


def test_an_empty_volume_has_no_tags(registry: Registry, machine: Machine, volume: Volume) -> None:
    assert registry.tags_by_repository() == {}
    (volume.folder / "foo/none/_manifests/tags").mkdir(parents=True)
    assert registry.tags_by_repository() == {}
    assert machine.requests == ["exec"] * 2


def test_an_upload_under_way_is_not_read(
    registry: Registry, machine: Machine, volume: Volume
) -> None:
    expected = pushed(volume)
    upload = volume.folder / "foo/job/_uploads/some-id"
    upload.mkdir(parents=True)
    (upload / "data").write_bytes(os.urandom(1_000_000))
    assert in_order(registry.tags_by_repository()) == expected
    assert machine.received < 10_000


@pytest.mark.parametrize(
    "tools",
    [[], ["sh"], ["sh", "xargs", "gzip"], ["sh", "tar", "gzip"], ["sh", "xargs", "tar"]],
    ids=lambda tools: " ".join(tools) or "none",
)
def test_an_image_without_the_tools_is_read_one_repository_at_a_time(
    registry: Registry, machine: Machine, volume: Volume, tmp_path: Path, tools: list[str]
) -> None:
    expected = pushed(volume)
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in tools:
        found = subprocess.run(["which", tool], capture_output=True, text=True, check=True)
        (folder / tool).symlink_to(found.stdout.strip())
    machine.path = str(folder)
    assert in_order(registry.tags_by_repository()) == expected
    assert [request.split()[0] for request in machine.requests] == ["exec", *["archive"] * 3]


def test_an_engine_that_refuses_to_run_anything_is_asked_for_each_repository(
    registry: Registry, machine: Machine, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise docker.errors.APIError("OCI runtime exec failed")

    monkeypatch.setattr(machine, "exec_run", refuse)
    expected = pushed(volume)
    assert in_order(registry.tags_by_repository()) == expected


def test_a_tag_that_goes_while_it_is_read_costs_no_other_its_place(
    registry: Registry, machine: Machine, volume: Volume, tmp_path: Path
) -> None:
    """`tar` says then that it misses a file, and may have left out what comes after."""
    expected = pushed(volume)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "tar").write_text("#!/bin/sh\necho 'tar: a/link: No such file' >&2\nexit 1\n")
    (folder / "tar").chmod(0o755)
    machine.path = f"{folder}{os.pathsep}{machine.path}"
    assert in_order(registry.tags_by_repository()) == expected


def test_a_shell_acts_on_no_name(registry: Registry, machine: Machine, volume: Volume) -> None:
    names = [
        "$(touch taken)",
        "`touch taken`",
        "a; touch taken",
        "-C",
        "--help",
        "a b",
        "a\nb",
        "*",
    ]
    for name in names:
        volume.push(f"foo/{name}", "1.0", DIGESTS[0])
        volume.push(f"foo/{name}", "$(touch taken)", DIGESTS[0])
    assert registry.tags_by_repository().keys() == set(names)
    registry._domain = "foo; touch taken; $(touch taken)"
    assert registry.tags_by_repository() == {}
    assert machine.requests == ["exec"] * 2
    assert not list(volume.folder.parent.rglob("taken"))


@pytest.mark.parametrize("rest", [0.5, 0.9])
def test_a_list_that_breaks_off_is_read_one_repository_at_a_time(
    volume: Volume, monkeypatch: pytest.MonkeyPatch, rest: float
) -> None:
    volume.push("foo/job", "1.0", DIGESTS[0])
    machine = Machine(os.environ["PATH"])
    whole = machine.exec_run

    def cut(command: list[str], *, demux: bool) -> ExecResult:
        code, output = whole(command, demux=demux)
        out, said = cast("tuple[bytes, bytes | None]", output)
        return ExecResult(code, (out[: int(len(out) * rest)], said))  # type: ignore[arg-type]  # as with `demux`

    monkeypatch.setattr(machine, "exec_run", cut)
    assert storage.links_of_domain(machine, "foo") is None  # type: ignore[arg-type]  # what is used of a container
