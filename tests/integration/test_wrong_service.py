"""A Scheduler URL that leads to something else: every look fails there, and before a build."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration.misbehaving import TOKEN, Asked, Host, hosting
from tests.integration.parts import command_environment, run

Answer = Callable[[Asked], Response]

DIGEST = "sha256:" + "a" * 64
IMAGE = {"name": "job", "digest": DIGEST, "size": 5, "tags": [{"name": "1.0"}]}
LISTED = {"values": [IMAGE | {"scanStatus": "COMPLETE", "scanSummary": {"total": 0}}]}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


def always(content: object, status: int = 200) -> Answer:
    return lambda _: JSONResponse(content, status)


def shows(image: object) -> Answer:
    """Return the answers of a service that has `image` for whatever name, and lists it."""

    def answer(asked: Asked) -> Response:
        return JSONResponse(LISTED if "/repository/" in asked.path else image)

    return answer


STRANGE: dict[str, Answer] = {
    "nginx": lambda _: HTMLResponse("<h1>404 Not Found</h1>", 404),
    "without a word": lambda _: Response(status_code=404),
    "FastAPI": always({"detail": "Not Found"}, 404),
    "ASP.NET": always({"title": "Not Found", "status": 404, "traceId": "00-1"}, 404),
    "a gateway": always({"message": "no Route matched with those values"}, 404),
    "a code that is the status": always({"code": 404, "title": "Not Found"}, 404),
    "a registry": always({"errors": [{"code": "NAME_UNKNOWN", "message": "unknown"}]}, 404),
}
"""Servers that are not a Scheduler."""


def answers(image: object, listed: object) -> Answer:
    """Return the answers of a service that has `image` for whatever name, and lists `listed`."""
    return lambda asked: JSONResponse(listed if "/repository/" in asked.path else image)


NULLS = dict.fromkeys(["name", "digest", "tags", "size", "pushTime", "scanReport"])

BELIEVED: dict[str, Answer] = {
    "yes to everything": always({}),
    "nulls to everything": always(NULLS),
    "nothing, and a list of it": answers({}, {"values": [{"tags": [{"name": "1.0"}]}]}),
    "nulls, and a list of them": answers(NULLS, {"values": [NULLS | {"tags": [{"name": "1.0"}]}]}),
    "a digest alone": shows({"digest": DIGEST}),
    "no digest": shows(IMAGE | {"digest": None}),
    "a digest that is none": shows(IMAGE | {"digest": "latest"}),
    "a digest of another kind": shows(IMAGE | {"digest": "sha512:" + "a" * 128}),
    "a digest with more behind it": shows(IMAGE | {"digest": DIGEST + "; id"}),
    "no tags": shows(IMAGE | {"tags": []}),
    "no name": shows(IMAGE | {"name": None}),
    "another image": shows(IMAGE | {"name": "other"}),
    "another tag": shows(IMAGE | {"tags": [{"name": "2.0"}]}),
    "an image without a name": shows({"digest": "sha256:" + "b" * 64}),
}
"""Servers that answer as a Scheduler does, but about nothing, or about something else."""

LISTS: dict[str, tuple[object, int]] = {
    "nothing": ({}, 4),
    "nulls": ({"values": None}, 4),
    "another repository": ({"values": [IMAGE | {"name": "other"}]}, 4),
    "one strange digest of many": (
        {"values": [IMAGE, *[IMAGE | {"tags": [], "digest": DIGEST}] * 200, {"digest": "x"}]},
        4,
    ),
    "no images": ({"values": []}, 8),
    "no tag": ({"values": [IMAGE | {"tags": [{"name": "2.0"}]}]}, 8),
    "an image without a digest": ({"values": [IMAGE | {"digest": None}]}, 8),
    "another digest": ({"values": [IMAGE | {"digest": "sha256:" + "b" * 64}]}, 8),
}
"""Lists that do not confirm what `get_image` shows."""


def fails_before_a_build(host: Host, folder: Path, answer: Answer, *arguments: str) -> None:
    (folder / "Dockerfile").write_text("FROM scratch\n")
    with host.service(answer) as service:
        environ = command_environment(FBN_SCHEDULER_URL=service.url, FBN_ACCESS_TOKEN=TOKEN)
        done = run("publish", "Dockerfile", "job:1.0", *arguments, cwd=folder, environ=environ)
    assert done.returncode == 4, done.stderr
    assert (done.stdout, "Building" in done.stderr) == ("", False)
    assert "Scheduler URL" in done.stderr
    assert "/scheduler2" in done.stderr
    assert [asked.method for asked in service.asked if asked.method != "GET"] == []


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_a_wrong_url_fails_before_a_build(host: Host, tmp_path: Path, answer: Answer) -> None:
    fails_before_a_build(host, tmp_path, answer, "--dry-run")


@pytest.mark.parametrize("answer", BELIEVED.values(), ids=BELIEVED)
@pytest.mark.parametrize("if_exists", ["skip", "verify"])
def test_an_answer_about_something_else_is_no_success(
    host: Host, tmp_path: Path, answer: Answer, if_exists: str
) -> None:
    fails_before_a_build(host, tmp_path, answer, "--if-exists", if_exists)


@pytest.mark.parametrize("answer", BELIEVED.values(), ids=BELIEVED)
def test_a_scan_of_something_else_is_not_shown(host: Host, tmp_path: Path, answer: Answer) -> None:
    with host.service(answer) as service:
        environ = command_environment(FBN_SCHEDULER_URL=service.url, FBN_ACCESS_TOKEN=TOKEN)
        done = run("images", "scan", "job:1.0", cwd=tmp_path, environ=environ)
    assert (done.returncode, done.stdout) == (4, ""), done.stderr


@pytest.mark.parametrize(("listed", "code"), LISTS.values(), ids=LISTS)
def test_an_image_that_the_list_does_not_confirm_is_not_skipped(
    host: Host, tmp_path: Path, listed: object, code: int
) -> None:
    with host.service(answers(IMAGE, listed)) as service:
        environ = command_environment(FBN_SCHEDULER_URL=service.url, FBN_ACCESS_TOKEN=TOKEN)
        options = ("--if-exists", "skip", "--wait-timeout", "1", "--wait-for", "visible")
        done = run("publish", "job:1.0", "job:1.0", *options, cwd=tmp_path, environ=environ)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "is in LUSID" not in done.stderr
    assert [asked.method for asked in service.asked if asked.method != "GET"] == []


def test_an_image_that_the_list_has_a_moment_later_is_skipped(host: Host, tmp_path: Path) -> None:
    looks: list[Asked] = []

    def answer(asked: Asked) -> Response:
        if "/repository/" not in asked.path:
            return JSONResponse(IMAGE)
        looks.append(asked)
        return JSONResponse(LISTED if len(looks) > 2 else {"values": []})

    with host.service(answer) as service:
        environ = command_environment(FBN_SCHEDULER_URL=service.url, FBN_ACCESS_TOKEN=TOKEN)
        options = ("--if-exists", "skip", "--wait-for", "visible")
        done = run("publish", "job:1.0", "job:1.0", *options, cwd=tmp_path, environ=environ)
        looks.clear()
        dry = run(
            "publish", "job:1.0", "job:1.0", *options, "--dry-run", cwd=tmp_path, environ=environ
        )
    assert (done.returncode, done.stdout) == (0, f"{DIGEST}\n"), done.stderr
    assert dry.returncode == 0, dry.stderr
    assert "list_images has nothing under the tag" in dry.stderr


def test_the_url_of_the_scheduler_without_its_end_fails(
    scheduler: LocalScheduler, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    url = scheduler.url.removesuffix("/scheduler2")
    environ = command_environment(**scheduler.environment()) | {"FBN_SCHEDULER_URL": url}
    done = run("publish", "Dockerfile", "job:1.0", "--dry-run", cwd=tmp_path, environ=environ)
    assert done.returncode == 4, done.stderr
    assert "The Scheduler URL does not serve the Images API" in done.stderr
