"""No server holds a command for ever: each of these never ends its answer, and the command ends.

The commands run as processes, which are killed after some minutes.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from fastapi import Response
from fastapi.responses import JSONResponse

from lusid_image_publish.config import Settings
from lusid_image_publish.errors import WaitTimeoutError
from lusid_image_publish.names import ImageName
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.scheduler.client import ImagesClient
from tests.integration.image_tars import ARCHIVE
from tests.integration.misbehaving import (
    CLIENT_SECRET,
    PASSWORD,
    TOKEN,
    Asked,
    Host,
    Script,
    hosting,
    http,
    raw_service,
)
from tests.integration.parts import command_environment, run

DIGEST = "sha256:" + "a" * 64
IMAGE = {"name": "job", "digest": DIGEST, "size": 5, "tags": [{"name": "1.0"}]}

ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (http(b"", length=1 << 20), b" "),
}
each_end = pytest.mark.parametrize("parts", ENDLESS.values(), ids=ENDLESS)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


def endless(parts: tuple[bytes, bytes]) -> Script:
    """Return the script of a server that sends something now and then until the client hangs up."""

    def script(_: Asked) -> Iterator[bytes]:
        first, drop = parts
        yield first
        while True:
            time.sleep(0.2)
            yield drop

    return script


@each_end
def test_a_service_that_never_ends_its_answer_is_given_up(
    parts: tuple[bytes, bytes], tmp_path: Path
) -> None:
    with raw_service(endless(parts)) as service:
        environ = command_environment(
            FBN_SCHEDULER_URL=service.url, FBN_ACCESS_TOKEN=TOKEN, FBN_TOTAL_TIMEOUT_MS="1500"
        )
        done = run("images", "get", "job:1.0", cwd=tmp_path, environ=environ)
    assert done.returncode == 4, done.stderr
    assert "did not arrive in time" in done.stderr
    assert "FBN_TOTAL_TIMEOUT_MS" in done.stderr


@each_end
def test_a_token_endpoint_that_never_ends_its_answer_is_given_up(
    parts: tuple[bytes, bytes], tmp_path: Path
) -> None:
    with raw_service(endless(parts)) as service:
        environ = command_environment(
            FBN_SCHEDULER_URL=service.url,
            FBN_TOKEN_URL=f"{service.url}/token",
            FBN_USERNAME="tester@example.com",
            FBN_PASSWORD=PASSWORD,
            FBN_CLIENT_ID="tests-client",
            FBN_CLIENT_SECRET=CLIENT_SECRET,
            FBN_TOTAL_TIMEOUT_MS="1500",
        )
        done = run("images", "get", "job:1.0", cwd=tmp_path, environ=environ)
    assert done.returncode == 4, done.stderr
    assert "the sign-in at the token endpoint did not arrive in time" in done.stderr
    assert [asked.path for asked in service.asked] == ["/scheduler2/token"]


@each_end
def test_a_registry_that_never_ends_its_answer_is_given_up(
    host: Host, parts: tuple[bytes, bytes], tmp_path: Path
) -> None:
    (tmp_path / "image.tar").write_bytes(ARCHIVE)

    def lusid(asked: Asked) -> Response:
        target = f"127.0.0.1:{registry.server_address[1]}/foo/job:1.0"
        if asked.method == "POST":
            login = f"docker login -u AWS -p a-registry-s-password {target.partition('/')[0]}"
            return JSONResponse(
                {
                    "dockerLoginCommand": login,
                    "buildVersionedDockerImageCommand": f"docker build -t {target} .",
                    "tagVersionedDockerImageCommand": f"docker tag {target} {target}",
                    "pushVersionedDockerImageCommand": f"docker push {target}",
                }
            )
        if "/repository" in asked.path:
            return JSONResponse({"values": []})
        return JSONResponse({"code": 151, "detail": "There is no such image."}, 404)

    with raw_service(endless(parts)) as registry, host.service(lusid) as service:
        environ = command_environment(FBN_SCHEDULER_URL=service.url, FBN_ACCESS_TOKEN=TOKEN)
        done = run(
            *("publish", "image.tar", "job:1.0", "--push-timeout", "4", "--wait-for", "visible"),
            cwd=tmp_path,
            environ=environ,
        )
    assert done.returncode == 7, done.stderr
    assert len(registry.asked) <= 3


def listing_slowly(asked: Asked) -> Response | object:
    """Answer as a LUSID whose list never ends, each page after half a second."""
    if "/repository/" not in asked.path:
        return JSONResponse(IMAGE)

    async def page() -> Response:
        await anyio.sleep(0.5)
        number = int(asked.query.get("page", "0").removeprefix("page")) + 1
        return JSONResponse({"values": [], "nextPage": f"page{number}"})

    return page()


def test_pages_count_within_the_wait(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lusid_image_publish.waiting.LAST_LOOK_SECONDS", 1.0)
    with host.service(listing_slowly) as service:  # type: ignore[arg-type]  # of both kinds
        settings = Settings.from_values(scheduler_url=service.url, access_token=TOKEN)
        with ImagesClient(settings) as images:
            name, limits = ImageName.parse("job:1.0"), Limits(wait_timeout=2)
            tag = LusidTag(name=name, images=images, limits=limits)
            with pytest.raises(WaitTimeoutError):
                tag.wait_until_listed(DIGEST)
    assert 2 <= len(service.asked) <= 20


def test_pages_count_within_the_wait_for_the_scan(host: Host, tmp_path: Path) -> None:
    with host.service(listing_slowly) as service:  # type: ignore[arg-type]  # of both kinds
        environ = command_environment(FBN_SCHEDULER_URL=service.url, FBN_ACCESS_TOKEN=TOKEN)
        done = run(
            *("images", "scan", "job:1.0", "--scan-timeout", "2"), cwd=tmp_path, environ=environ
        )
    assert done.returncode == 10, done.stderr
